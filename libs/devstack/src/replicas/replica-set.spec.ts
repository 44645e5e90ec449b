import { once } from 'node:events';
import { rmSync, watch } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Guard } from '../kafka/guard.js';
import { ReplicaSet } from './replica-set.js';
import type { ReplicaSetOptions } from './replica-set.options.js';

/** Writes a file of its id once it serves, and removes it when it is told to stop. */
const SERVES = fileURLToPath(new URL('../../test/replica.mjs', import.meta.url));

let folder: string;
let serving: string;
let replicas: ReplicaSet;
let events: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replicas-'));
  serving = await mkdtemp(join(tmpdir(), 'replicas-serving-'));
  events = [];
});
afterEach(async () => {
  await replicas.stop({ hurry: true });
  await rm(folder, { recursive: true, force: true });
  await rm(serving, { recursive: true, force: true });
});

async function set(options: Partial<ReplicaSetOptions> = {}): Promise<ReplicaSet> {
  const guard = await Guard.over(join(folder, 'run'));
  replicas = new ReplicaSet({
    command: [process.execPath, SERVES],
    environment: (id) => ({ REPLICA_ID: id, SERVING: serving }),
    folder,
    logs: join(folder, 'logs'),
    guard,
    whenServing: (id, signal) => servingIs(signal, (names) => names.includes(id)),
    onEvent: (line) => events.push(line),
    backoffMs: 10,
    ...options,
  });
  const { stop } = replicas;
  // With the set its guard goes, which is a process of its own.
  replicas.stop = (how) => stop.call(replicas, how).then(() => guard.release());
  return replicas;
}

/** Resolves when the names of those that serve are so; rejects when it is aborted. */
async function servingIs(signal: AbortSignal, holds: (names: readonly string[]) => boolean): Promise<void> {
  const watcher = watch(serving);
  try {
    const aborted = once(signal, 'abort').then(() => Promise.reject(signal.reason as Error));
    aborted.catch(() => undefined);
    for (;;) {
      // Listened for before the look: a change that comes while the folder is read is not missed.
      const changed = once(watcher, 'change');
      changed.catch(() => undefined);
      if (holds(await readdir(serving))) return;
      await Promise.race([changed, aborted]);
    }
  } finally {
    watcher.close();
  }
}

const within = () => AbortSignal.timeout(30_000);
const ids = () => replicas.status.map(({ id, state }) => `${id} ${state}`);

describe('replicas', () => {
  it('are started and stopped until there are so many', async () => {
    await set();
    await replicas.scale(2);
    expect(ids()).toEqual(['replica-1.1 up', 'replica-2.1 up']);
    await replicas.scale(1);
    expect(await readdir(serving)).toEqual(['replica-1.1']);
    await replicas.stop();
    expect(await readdir(serving)).toEqual([]);
  });

  it('are replaced one after the other, each only when its successor serves', async () => {
    const beside: number[] = [];
    await set({
      whenServing: async (id, signal) => {
        await servingIs(signal, (names) => names.includes(id));
        // Nobody has been told yet that it serves, so nobody has been told to stop either.
        if (id.endsWith('.2')) beside.push((await readdir(serving)).length);
      },
    });
    await replicas.scale(2);
    const looks: Promise<number>[] = [];
    const look = () => looks.push(readdir(serving).then(({ length }) => length));
    const watcher = watch(serving, look);
    await replicas.roll();
    watcher.close();
    look();
    expect(ids()).toEqual(['replica-1.2 up', 'replica-2.2 up']);
    expect((await readdir(serving)).sort()).toEqual(['replica-1.2', 'replica-2.2']);
    expect(Math.min(...(await Promise.all(looks)))).toBe(2);
    expect(beside).toEqual([3, 3]);
  });

  it('keep their place when what is to follow them does not start', async () => {
    await set({
      environment: (id) => ({ REPLICA_ID: id, SERVING: serving, ENDS: id.endsWith('.2') ? '3' : '' }),
    });
    await replicas.scale(1);
    await expect(replicas.roll()).rejects.toThrow(
      /replica-1\.2 did not start, it ended with exit code 3: .*no, thanks/s,
    );
    expect(ids()).toEqual(['replica-1.1 up']);
  });

  it('that end by themselves are started again', async () => {
    await set();
    await replicas.scale(2);
    await replicas.kill('1');
    await servingIs(within(), (names) => names.includes('replica-1.2'));
    await expect(replicas.kill('3')).rejects.toMatchObject({ code: 'RK_DEVSTACK_REPLICA_UNKNOWN' });
    expect(events).toContain('replica-1.1 ended with SIGKILL; started again in 0.01 s');
  });

  it.each([
    ['1', 'after so many ends in a row', 3],
    ['78', 'at once where its configuration is at fault', 1],
  ])('that end with %s are given up %s', async (code, _, crashes) => {
    let served = 0;
    let told: (line: string) => void = () => undefined;
    const givenUp = new Promise<string>((resolve) => (told = resolve));
    await set({
      crashesInARow: 2,
      environment: (id) => ({ REPLICA_ID: id, SERVING: serving, ENDS_AFTER: code }),
      whenServing: (id, signal) =>
        servingIs(signal, (names) => names.includes(id)).then(() => {
          served += 1;
          // Which ends it: its end is told after this has been.
          rmSync(join(serving, id));
        }),
      onEvent: (line) => /not started again/.test(line) && told(line),
    });
    await replicas.scale(1);
    expect(await givenUp).toContain(`ended with exit code ${code}`);
    expect(served).toBe(crashes);
    expect(ids()).toEqual([`replica-1.${crashes} failed`]);
  });

  it('that do not stop in time are killed, and a hurry kills those that take theirs', async () => {
    await set({ stopLimitMs: 100, environment: (id) => ({ REPLICA_ID: id, SERVING: serving, DEAF: '1' }) });
    await replicas.scale(2);
    await replicas.scale(1);
    expect(events).toContain('replica-2.1 did not stop in time, and was killed');
    const { pid } = replicas.status[0]!;
    await replicas.stop({ hurry: true });
    expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
  });

  it('are not waited for when all is stopped while they start', async () => {
    await set({ whenServing: (_, signal) => servingIs(signal, () => false) });
    const scaled = replicas.scale(1);
    scaled.catch(() => undefined);
    await servingIs(within(), (names) => names.length === 1);
    await replicas.stop();
    await expect(scaled).rejects.toMatchObject({ code: 'RK_DEVSTACK_SERVER_START_TIMEOUT' });
    expect(await readFile(join(folder, 'logs', 'replica-1.log'), 'utf8')).toContain('replica-1.1 serves');
    await expect(replicas.scale(2)).rejects.toMatchObject({ code: 'RK_DEVSTACK_SERVER_WRONG_STATE' });
  });
});
