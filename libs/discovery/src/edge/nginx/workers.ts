import { readFile } from 'node:fs/promises';

export interface Worker {
  readonly pid: number;
  /**
   * `starting`: it was just forked, has no title of its own yet, and will take connections in a moment. `leaving`: it has
   * closed its listening sockets, and finishes what it has.
   */
  readonly state: 'starting' | 'serving' | 'leaving';
}

const MASTER = 'nginx: master';
const WORKER = 'nginx: worker process';

/** Whether this is the master process of an Nginx. Linux only, as all of this file: by `/proc`. */
export async function isMaster(pid: number): Promise<boolean> {
  return (await titleOf(pid))?.startsWith(MASTER) ?? false;
}

/**
 * The workers of a master, by the titles that Nginx gives its processes: one that was told to leave says so in the same step
 * in which it closes its listening sockets.
 */
export async function workersOf(master: number): Promise<readonly Worker[]> {
  const listed = await readFile(`/proc/${master}/task/${master}/children`, 'utf8').catch(() => '');
  const pids = listed.split(' ').filter(Boolean).map(Number);
  const titles = await Promise.all(pids.map(titleOf));
  return pids.flatMap((pid, at) => {
    const state = stateBy(titles[at] ?? '');
    return state === undefined ? [] : [{ pid, state }];
  });
}

function stateBy(title: string): Worker['state'] | undefined {
  if (title.startsWith(MASTER)) return 'starting';
  if (!title.startsWith(WORKER)) return undefined;
  return title.includes('is shutting down') ? 'leaving' : 'serving';
}

async function titleOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return text?.replaceAll('\0', ' ').trim();
}
