import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { discoveryErrors } from '../discovery.errors.js';
import { renderFolder, renderTemplates } from './templates.js';

const bad = expect.objectContaining({ code: discoveryErrors.codes.BAD_TEMPLATE });

describe('templates', () => {
  const main = '#= PORT 8080   where\n#= NAME      of whom\nlisten ${PORT} $host;';
  const site = 'name ${NAME} ${PORT};';

  it('are filled by what is given, else by the defaults of any of them; variables of the proxy stay', () => {
    const rendered = renderTemplates({ main, site }, { NAME: 'conduit' });
    expect(rendered['main']).toContain('listen 8080 $host;');
    expect(rendered['site']).toBe('name conduit 8080;');
  });

  it('are refused where a value is missing, unknown, or would end its line', () => {
    expect(() => renderTemplates({ main, site })).toThrow(bad);
    expect(() => renderTemplates({ main, site }, { NAME: 'x', PROT: '1' })).toThrow(bad);
    for (const value of ['a;b', 'a\nb', 'a}', '"', '#'])
      expect(() => renderTemplates({ main, site }, { NAME: value })).toThrow(bad);
  });

  it('of a folder leave alone the file that the agent writes, and TLS where there are no certificates', async () => {
    const [from, to] = await Promise.all(
      ['from', 'to'].map((name) => mkdtemp(join(tmpdir(), `rookery-${name}-`))),
    );
    const files = {
      'nginx.conf': main,
      'upstream.conf': site,
      'tls.conf': '${CERTIFICATE}',
      'notes.txt': '',
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(from!, name), text);
    await renderFolder({ from: from!, to: to!, values: { NAME: 'conduit' } });
    expect((await readdir(to!)).sort()).toEqual(['logs', 'nginx.conf', 'tmp', 'upstream.conf']);
    await writeFile(join(to!, 'upstream.conf'), 'by the agent');
    await renderFolder({ from: from!, to: to!, values: { NAME: 'conduit', PORT: '81' } });
    expect(await readFile(join(to!, 'upstream.conf'), 'utf8')).toBe('by the agent');
    expect(await readFile(join(to!, 'nginx.conf'), 'utf8')).toContain('listen 81 ');
    await Promise.all([from!, to!].map((folder) => rm(folder, { recursive: true })));
  });
});
