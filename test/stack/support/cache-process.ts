import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { CacheOptions } from '@rookery/cache';

/** A cache in a process of its own. */
export class CacheProcess {
  private readonly answers = new Map<number, (answer: unknown) => void>();
  private count = 0;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
      this.answers.get(id)?.(answer);
      this.answers.delete(id);
    });
  }

  /** Resolves when it is in step. */
  static async start(options: CacheOptions): Promise<CacheProcess> {
    const args = [JSON.stringify(options)];
    const child = fork(join(import.meta.dirname, 'cache-replica.mjs'), args, { execArgv: [] });
    const started = new CacheProcess(child);
    await new Promise((resolve) => started.answers.set(0, resolve));
    return started;
  }

  ask<T>(what: string, args: object): Promise<T> {
    const id = (this.count += 1);
    const answer = new Promise((resolve) => this.answers.set(id, resolve));
    this.child.send({ id, what, ...args });
    return answer as Promise<T>;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}
