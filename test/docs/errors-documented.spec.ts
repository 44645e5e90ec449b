import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const fixture = join(import.meta.dirname, 'fixtures/errors');

function docsErrors(...options: string[]): { status: number | null; lines: string[] } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts/docs-errors.mjs'), ...options],
    { cwd: root, encoding: 'utf8' },
  );
  return { status, lines: (stdout + stderr).trim().split('\n').filter(Boolean) };
}

describe('docs/errors.md', () => {
  it('has one row for each code, true to the code, with what to do, and no other row', () => {
    expect(docsErrors('--check')).toEqual({ status: 0, lines: [] });
  }, 60_000);

  it('is found wrong where it is: a fixture with every fault', () => {
    expect(docsErrors('--check', '--root', fixture)).toEqual({
      status: 1,
      lines: [
        'libs/security/src/tokens.ts:5 BAD: status, message and retryable are to be literals',
        'libs/security/src/tokens.ts:5 calls the registry of libs/security TOKENS',
        'libs/security/src/tokens.ts:5 a registry belongs in <lib>.errors.ts',
        'libs/security/src/tokens.ts:5 TOKENS has more than one registry',
        'libs/security/src/tokens.ts:8 calls the registry of libs/security TOKENS',
        'libs/security/src/tokens.ts:8 a registry belongs in <lib>.errors.ts',
        'libs/security/src/tokens.ts:8 TOKENS has more than one registry',
        'RK_HTTP_MOVED: docs/errors.md says status 404, the code 409',
        'RK_HTTP_MOVED: docs/errors.md says retryable no, the code yes',
        'RK_HTTP_REWORDED: docs/errors.md says message `says that`, the code `says this`',
        'RK_HTTP_NEW is not in docs/errors.md',
        'RK_HTTP_MUTE: docs/errors.md does not say what to do',
        'RK_HTTP_GONE is in docs/errors.md, and nowhere in the code',
      ],
    });
  }, 60_000);

  it('is rewritten from the code, and what people wrote in the last column stays', () => {
    const copy = mkdtempSync(join(tmpdir(), 'docs-errors-'));
    try {
      cpSync(fixture, copy, { recursive: true });
      rmSync(join(copy, 'libs/security'), { recursive: true });
      expect(docsErrors('--root', copy)).toEqual({
        status: 0,
        lines: ['RK_HTTP_NEW: say what to do', 'RK_HTTP_MUTE: say what to do'],
      });
      expect(docsErrors('--check', '--root', copy).lines).toEqual([
        'RK_HTTP_NEW: docs/errors.md does not say what to do',
        'RK_HTTP_MUTE: docs/errors.md does not say what to do',
      ]);
      const page = readFileSync(join(copy, 'docs/errors.md'), 'utf8');
      expect(page).toMatch(/`RK_HTTP_MOVED` +\| 409 +\| yes .*\| wait +\|/);
      expect(docsErrors('--root', copy).status).toBe(0);
      expect(readFileSync(join(copy, 'docs/errors.md'), 'utf8')).toBe(page);
    } finally {
      rmSync(copy, { recursive: true });
    }
  }, 60_000);
});
