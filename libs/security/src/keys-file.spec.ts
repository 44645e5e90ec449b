import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Meter } from '@rookery/kernel';
import { newId } from '@rookery/kernel';
import { KeysFile } from './keys-file.js';
import { securityErrors } from './security.errors.js';
import { TokenService } from './token.service.js';

const secretOf = (kid: string) => `the secret of the key ${kid}, which is long enough`;
const document = (signing: string, ...kids: string[]) =>
  JSON.stringify({ signing, keys: kids.map((kid) => ({ kid, alg: 'HS256', secret: secretOf(kid) })) });

let folder: string;
let path: string;
const open: KeysFile[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rookery-keys-file-'));
  path = join(folder, 'keys.json');
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.stop()));
  await rm(folder, { recursive: true, force: true });
});

/** As an operator's tool does it: the new file takes the old one's place in one step. */
async function replace(text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** A source that is watched, whose reloads can be awaited. */
async function watched() {
  const waiting: { outcome: string; resolve: () => void }[] = [];
  const counts: Record<string, number> = { ok: 0, error: 0 };
  const meter: Meter = {
    counter: ({ name }) => ({
      add: (_, labels) => {
        if (name !== 'rookery_security_keys_reloads_total') return;
        const outcome = String(labels?.['outcome']);
        counts[outcome] = (counts[outcome] ?? 0) + 1;
        for (const each of waiting.splice(0)) if (each.outcome === outcome) each.resolve();
      },
    }),
    histogram: () => ({ observe: () => undefined }),
    gauge: () => () => undefined,
  };
  const problems: unknown[] = [];
  const file = await KeysFile.open(path, {
    pollMs: 5,
    refreshMs: 0,
    meter,
    onProblem: (each) => problems.push(each),
  });
  open.push(file);
  const reload = (outcome: 'ok' | 'error') =>
    new Promise<void>((resolve) => waiting.push({ outcome, resolve }));
  return { file, reload, problems, counts };
}

describe('KeysFile', () => {
  it('rotates keys while running: the new one signs, the old one verifies until it is withdrawn', async () => {
    await writeFile(path, document('a', 'a'));
    const { file, reload } = await watched();
    file.start();
    const tokens = new TokenService(file);
    const subject = newId(7);
    const old = await tokens.sign(subject);
    await tokens.verify(old);

    let seen = reload('ok');
    await replace(document('b', 'a', 'b'));
    await seen;
    expect(tokens.peek(old)?.subject).toBe(subject);
    const young = await tokens.sign(subject);
    expect((await tokens.verify(young)).kid).toBe('b');

    seen = reload('ok');
    await replace(document('b', 'b'));
    await seen;
    expect(tokens.peek(old)).toBeUndefined();
    expect(tokens.peek(young)?.subject).toBe(subject);
    const failure = await tokens.verify(old).catch((error: unknown) => error);
    expect(securityErrors.is(failure, 'TOKEN_INVALID') && failure.data['reason']).toBe('unknown key');
  });

  it('keeps the keys it has while the file is broken or away, says so once, and takes the mended file', async () => {
    await writeFile(path, document('a', 'a'));
    const { file, reload, problems, counts } = await watched();
    expect((await file.health.check(100)).status).toBe('up');

    file.start();
    let seen = reload('error');
    await replace('{ "signing": ');
    await seen;
    expect(file.current().signing.kid).toBe('a');
    expect(await file.health.check(100)).toEqual({
      status: 'degraded',
      details: { signing: 'a', kids: ['a'], problem: `the keys of ${path} cannot be used: it is not JSON` },
    });
    await file.stop();
    await file.refresh();
    await file.refresh();
    expect(counts).toEqual({ ok: 0, error: 1 });

    await rm(path);
    await file.refresh();
    expect(file.current().signing.kid).toBe('a');
    expect(problems.map((each) => securityErrors.is(each, 'KEYS_INVALID') && each.data['reason'])).toEqual([
      'it is not JSON',
      'the file cannot be read (ENOENT)',
    ]);

    seen = reload('ok');
    await replace(document('c', 'c'));
    await file.refresh();
    await seen;
    expect(file.current().signing.kid).toBe('c');
    expect((await file.health.check(100)).status).toBe('up');
  });

  it('looks at once for a key that another replica already signs with', async () => {
    await writeFile(path, document('a', 'a'));
    const { file } = await watched();
    const tokens = new TokenService(file);
    await replace(document('b', 'a', 'b'));
    const ahead = new TokenService(await KeysFile.open(path));
    const subject = newId(9);
    expect((await tokens.verify(await ahead.sign(subject))).kid).toBe('b');
  });

  it('is not made to look at the file by every unknown key', async () => {
    await writeFile(path, document('a', 'a'));
    let now = 5000;
    const clock = { now: () => Date.now(), monotonic: () => now };
    const file = await KeysFile.open(path, { clock, refreshMs: 1000 });
    await file.refresh();
    await replace(document('b', 'b'));
    now += 999;
    await file.refresh();
    expect(file.current().signing.kid).toBe('a');
    now += 1;
    await file.refresh();
    expect(file.current().signing.kid).toBe('b');
  });

  it('does not open without a file that can be used', async () => {
    const failure = await KeysFile.open(path).catch((error: unknown) => error);
    expect(securityErrors.is(failure, 'KEYS_INVALID') && failure.message).toBe(
      `the keys of ${path} cannot be used: the file cannot be read (ENOENT)`,
    );
  });
});
