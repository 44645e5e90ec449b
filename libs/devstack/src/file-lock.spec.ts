import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { devstackErrors } from './devstack.errors.js';
import { breakStale, withFileLock } from './file-lock.js';
import { ownIdentity } from './process-identity.js';

const GONE = { pid: process.pid, born: 'before the last boot' };

describe('withFileLock', () => {
  let folder: string;
  let lock: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rookery-lock-'));
    lock = join(folder, 'lock');
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** How many were inside at once while `count` callers took turns. */
  async function mostAtOnce(count: number): Promise<number> {
    let inside = 0;
    let most = 0;
    const one = () =>
      withFileLock(lock, { timeoutMs: 20_000 }, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await turn();
        inside -= 1;
      });
    await Promise.all(Array.from({ length: count }, one));
    return most;
  }

  it('lets one in at a time and leaves nothing behind', async () => {
    expect(await mostAtOnce(12)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('breaks the lock of a dead holder, one in at a time even when many find it at once', async () => {
    await writeFile(lock, JSON.stringify({ ...GONE, token: 'stale' }));
    expect(await mostAtOnce(12)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('breaks it even when somebody died while breaking it', async () => {
    await writeFile(lock, JSON.stringify({ ...GONE, token: 'stale' }));
    await writeFile(`${lock}.break-stale`, JSON.stringify({ ...GONE, token: 'breaker' }));
    expect(await mostAtOnce(4)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('does not break the lock of whoever came in between its look and its turn', async () => {
    const own = await ownIdentity();
    const held = JSON.stringify({ ...own, token: 'came in between' });
    await writeFile(lock, held);
    await breakStale(lock, { ...GONE, token: 'stale' }, { ...own, token: 'late' });
    expect(await readFile(lock, 'utf8')).toBe(held);
    expect(await readdir(folder)).toEqual(['lock']);
  });

  it('holds a torn lock file for nobody`s', async () => {
    await writeFile(lock, '');
    expect(await mostAtOnce(2)).toBe(1);
  });

  it('never breaks the lock of a living holder: it gives up, and says who holds it', async () => {
    const held = JSON.stringify({ ...(await ownIdentity()), token: 'live' });
    await writeFile(lock, held);
    const failure = await withFileLock(lock, { timeoutMs: 60 }, async () => 'in').catch(
      (error: unknown) => error,
    );
    expect(devstackErrors.is(failure, 'BUSY')).toBe(true);
    expect(String(failure)).toContain(String(process.pid));
    expect(await readFile(lock, 'utf8')).toBe(held);
  });

  it('lets go when the work fails', async () => {
    await expect(
      withFileLock(lock, { timeoutMs: 1_000 }, () => Promise.reject(new Error('work failed'))),
    ).rejects.toThrow('work failed');
    expect(await readdir(folder)).toEqual([]);
  });
});
