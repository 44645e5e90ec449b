import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { ensureDevelopmentKeys } from './development-keys.js';
import { parseKeysDocument } from './keys-document.js';
import { securityErrors } from './security.errors.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rookery-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A replica that is up, loads its keys when told to, and prints which key signs. */
const REPLICA = `
  import { once } from 'node:events';
  import { loadKeys } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'load-keys.ts')).href)};
  process.stdout.write('ready\\n');
  const [dataDir] = await once(process.stdin, 'data');
  const keys = await loadKeys({ dataDir: String(dataDir), production: false });
  process.stdout.write(keys.current().signing.kid + '\\n');
  process.stdin.destroy();
`;
const runSource = join(import.meta.dirname, '../../../scripts/run-source.mjs');

function startReplica(dataDir: string) {
  const child = spawn(process.execPath, ['--import', runSource, '--input-type=module', '-e', REPLICA], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    line: async () => String((await lines.next()).value),
    go: () => child.stdin.write(dataDir),
    ended: once(child, 'exit'),
  };
}

describe('ensureDevelopmentKeys', () => {
  it('makes keys that only their owner can read, in a folder it makes too, and leaves nothing else there', async () => {
    const dataDir = join(folder, 'deep', '.rookery');
    const path = await ensureDevelopmentKeys(dataDir);
    expect(path).toBe(join(dataDir, 'jwt-keys.json'));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(dataDir)).toEqual(['jwt-keys.json']);
    const document = parseKeysDocument(await readFile(path, 'utf8'), path);
    expect(document.keys.map(({ kid }) => kid)).toEqual([document.signing]);
  });

  it('keeps what is there', async () => {
    const path = await ensureDevelopmentKeys(folder);
    const before = await readFile(path, 'utf8');
    await ensureDevelopmentKeys(folder);
    expect(await readFile(path, 'utf8')).toBe(before);
    expect(await readdir(folder)).toEqual(['jwt-keys.json']);
  });

  it('gives four replicas that start together the same key', async () => {
    const replicas = Array.from({ length: 4 }, () => startReplica(folder));
    expect(await Promise.all(replicas.map((each) => each.line()))).toEqual(Array(4).fill('ready'));
    for (const each of replicas) each.go();
    const kids = await Promise.all(replicas.map((each) => each.line()));
    expect(kids[0]).toMatch(/^dev-/);
    expect(new Set(kids).size).toBe(1);
    expect(await Promise.all(replicas.map((each) => each.ended))).toEqual(Array(4).fill([0, null]));
    expect(await readdir(folder)).toEqual(['jwt-keys.json']);
  });

  it('says which path where the folder cannot be made', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    await chmod(file, 0o600);
    const failure = await ensureDevelopmentKeys(join(file, 'data')).catch((error: unknown) => error);
    expect(securityErrors.is(failure, 'KEYS_INVALID') && failure.message).toBe(
      `the keys of ${join(file, 'data', 'jwt-keys.json')} cannot be used: development keys cannot be made there (ENOTDIR)`,
    );
  });
});
