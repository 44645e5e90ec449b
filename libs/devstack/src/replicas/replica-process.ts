import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { devstackErrors } from '../devstack.errors.js';
import type { Guard } from '../kafka/guard.js';

export interface ReplicaCommand {
  readonly id: string;
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** What it says is added there. */
  readonly logFile: string;
  readonly guard: Guard;
}

const SHOWN_LINES = 6;

/** One process of a replica, from its start to its end. */
export class ReplicaProcess {
  readonly startedAt = performance.now();
  /** Resolves with how it ended: a signal, or `exit code 1`. */
  readonly ended: Promise<string>;
  exitCode: number | null = null;
  /** Whether it was told to end. */
  told = false;
  private outcome: string | undefined;

  private constructor(
    readonly id: string,
    private readonly child: ChildProcess,
    private readonly log: { readonly file: string; readonly from: number },
    whenGone: () => void,
  ) {
    this.ended = new Promise((resolve) =>
      child.once('exit', (code, signal) => {
        this.exitCode = code;
        this.outcome = signal ?? `exit code ${code}`;
        whenGone();
        resolve(this.outcome);
      }),
    );
  }

  /** @throws RK_DEVSTACK_SERVER_START_FAILED where there is no such program */
  static async start({
    id,
    command: [program, ...args],
    environment,
    folder,
    logFile,
    guard,
  }: ReplicaCommand): Promise<ReplicaProcess> {
    const log = await open(logFile, 'a');
    try {
      const { size } = await log.stat();
      // A group of its own: Ctrl-C in a terminal is for whoever started us, who stops it in order.
      const child = spawn(program, args, {
        detached: true,
        cwd: folder,
        env: { ...environment },
        stdio: ['ignore', log.fd, log.fd],
      });
      const { pid } = child;
      if (pid !== undefined) guard.add(-pid);
      const started = new ReplicaProcess(id, child, { file: logFile, from: size }, () => {
        if (pid !== undefined) guard.remove(-pid);
      });
      await once(child, 'spawn');
      return started;
    } catch (cause) {
      const reason = `${program} cannot be run: ${(cause as Error).message}`;
      throw devstackErrors.create('SERVER_START_FAILED', { data: { server: id, reason, log: '' }, cause });
    } finally {
      await log.close();
    }
  }

  get runs(): boolean {
    return this.outcome === undefined;
  }

  get pid(): number | undefined {
    return this.runs ? this.child.pid : undefined;
  }

  get uptimeMs(): number {
    return performance.now() - this.startedAt;
  }

  /** In order; killed where that takes longer. Resolves when it has ended: whether it did so by itself. */
  async stop(limitMs: number): Promise<boolean> {
    this.told = true;
    if (this.runs) this.child.kill('SIGTERM');
    const over = new AbortController();
    const limit = delay(limitMs, undefined, { signal: over.signal }).catch(() => undefined);
    await Promise.race([this.ended, limit]);
    over.abort();
    const inOrder = !this.runs;
    if (!inOrder) this.kill();
    await this.ended;
    return inOrder;
  }

  /** SIGKILL, with all it has started. */
  kill(): void {
    if (!this.runs) return;
    try {
      process.kill(-this.child.pid!, 'SIGKILL');
    } catch (error) {
      // It has just ended, which is about to be told.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** The last it said. */
  async lastWords(): Promise<string> {
    const text = (await readFile(this.log.file)).subarray(this.log.from).toString();
    return text.trim().split('\n').slice(-SHOWN_LINES).join('\n');
  }
}
