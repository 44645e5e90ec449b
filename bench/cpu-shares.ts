import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cpuOf } from './cpu.js';
import { DIST } from './databases.js';

/**
 * Processes of which each gets a fixed share of one core, however many cores are idle: another process looks at the CPU time
 * of all their threads, stops one (SIGSTOP) that has used its share of 40 ms, and lets it go on (SIGCONT) when it has that
 * again. It is done like this since it needs no right and no control group; Linux only, since it needs /proc.
 */
export class CpuShares {
  private constructor(private readonly keeper: ChildProcess) {}

  /** @param share of one core, 0 to 1 */
  static async hold(pids: readonly number[], share: number): Promise<CpuShares> {
    const keeper = fork(join(DIST, 'bench/processes/cpu-share.js'), [share, ...pids].map(String));
    const ended = once(keeper, 'exit').then(([code]) => {
      throw new Error(`who keeps the shares of CPU ended with ${String(code)}`);
    });
    await Promise.race([once(keeper, 'message'), ended]);
    ended.catch(() => undefined);
    return new CpuShares(keeper);
  }

  /** CPU time that keeping them to it has taken, in milliseconds. */
  get cpuMs(): number {
    return cpuOf(this.keeper.pid!);
  }

  /** Resolves when all of them run without a limit again. @throws where they have not been held until now */
  async release(): Promise<void> {
    if (!this.keeper.connected) throw new Error('shares of CPU were not kept to the end');
    const ended = once(this.keeper, 'exit');
    this.keeper.disconnect();
    await ended;
  }
}
