import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { devstackErrors } from '../devstack.errors.js';
import type { Guard } from '../kafka/guard.js';
import type { Keepable } from './keepable.js';

export interface LocalServerSetup {
  /** For errors: `etcd`, `nginx`, `haproxy`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Working directory, made if it is not there; the log lies in it. */
  readonly folder: string;
  readonly guard: Guard;
  /** Whether it takes clients; asked again and again while it starts, and may reject as long as it does not. */
  readonly ready: () => Promise<boolean>;
}

const POLL_MS = 20;
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const SHOWN_LINES = 12;
const PORT_TAKEN = /address already in use|cannot bind socket/i;

/** A server's program on this machine, from one start to the next end; only ever ended by the pid that was started. */
export class LocalServer implements Keepable {
  private child: ChildProcess | undefined;
  private outcome: string | undefined;
  private end: Promise<void> = Promise.resolve();
  private isFrozen = false;
  /** Whether it has taken clients, and nobody has told it to end since. */
  private isToRun = false;
  private readonly deathListeners: ((how: string) => void)[] = [];
  private logFrom = 0;

  constructor(private readonly setup: LocalServerSetup) {}

  get runs(): boolean {
    return this.child !== undefined && this.outcome === undefined;
  }

  get pid(): number {
    return this.running('asked').pid!;
  }

  get logFile(): string {
    return join(this.setup.folder, `${this.setup.name}.log`);
  }

  onDeath(listener: (how: string) => void): void {
    this.deathListeners.push(listener);
  }

  /** @throws RK_DEVSTACK_SERVER_START_FAILED, RK_DEVSTACK_SERVER_START_TIMEOUT; it does not run then */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.runs) throw this.wrongState('started');
    const until = performance.now() + START_LIMIT_MS;
    await this.launch();
    while (!(await this.setup.ready().catch(() => false))) {
      if (!this.runs) break;
      const late = performance.now() > until;
      if (late || signal?.aborted) {
        await this.kill();
        const why = late ? `it was not ready after ${START_LIMIT_MS / 1000} s` : 'it was not waited for';
        throw await this.failed('START_TIMEOUT', why);
      }
      await delay(POLL_MS);
    }
    // What answered may have been somebody else on its port.
    if (!this.runs) throw await this.failed('START_FAILED', `it ended with ${this.outcome}`);
    this.isToRun = true;
  }

  /** In order, by `signal`; killed where that takes longer than ten seconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.running('stopped');
    this.isToRun = false;
    this.thaw();
    child.kill(signal);
    const over = new AbortController();
    const limit = delay(STOP_LIMIT_MS, undefined, { signal: over.signal });
    await Promise.race([this.end, limit]).finally(() => over.abort());
    if (this.runs) await this.kill();
  }

  /** With its workers, which would go on without their master. */
  async kill(): Promise<void> {
    const { pid } = this.running('killed');
    this.isToRun = false;
    process.kill(-pid!, 'SIGKILL');
    await this.end;
  }

  freeze(): void {
    process.kill(-this.running('frozen').pid!, 'SIGSTOP');
    this.isFrozen = true;
  }

  thaw(): void {
    const child = this.running('thawed');
    if (this.isFrozen) process.kill(-child.pid!, 'SIGCONT');
    this.isFrozen = false;
  }

  signal(name: NodeJS.Signals): void {
    this.running('signalled').kill(name);
  }

  /** What it has said since its last start. */
  async log(): Promise<string> {
    return (await readFile(this.logFile)).subarray(this.logFrom).toString();
  }

  async portWasTaken(): Promise<boolean> {
    return !this.runs && PORT_TAKEN.test(await this.log());
  }

  private async launch(): Promise<void> {
    const { name, command, args, folder, guard } = this.setup;
    await mkdir(folder, { recursive: true });
    const log = await open(this.logFile, 'a');
    try {
      this.logFrom = (await log.stat()).size;
      // A group of its own, which its workers belong to; and Ctrl-C in a terminal is for whoever started us.
      const child = spawn(command, args, { detached: true, cwd: folder, stdio: ['ignore', log.fd, log.fd] });
      const { pid } = child;
      if (pid !== undefined) guard.add(-pid);
      this.child = child;
      this.outcome = undefined;
      this.end = new Promise((resolve) =>
        child.once('exit', (code, signal) => {
          this.outcome = signal ?? `exit code ${code}`;
          if (pid !== undefined) {
            endRestOf(pid);
            guard.remove(-pid);
          }
          resolve();
          if (this.isToRun) this.died(this.outcome);
        }),
      );
      await once(child, 'spawn');
    } catch (cause) {
      this.outcome = 'no start';
      const reason = `${command} cannot be run: ${(cause as Error).message}`;
      throw devstackErrors.create('SERVER_START_FAILED', { data: { server: name, reason, log: '' }, cause });
    } finally {
      await log.close();
    }
  }

  private died(how: string): void {
    this.isToRun = false;
    for (const listener of this.deathListeners) listener(how);
  }

  private running(wanted: string): ChildProcess {
    if (!this.runs) throw this.wrongState(wanted);
    return this.child!;
  }

  private wrongState(wanted: string): Error {
    const state = this.runs ? 'runs' : 'does not run';
    return devstackErrors.create('SERVER_WRONG_STATE', { data: { server: this.setup.name, wanted, state } });
  }

  private async failed(what: 'START_FAILED' | 'START_TIMEOUT', reason: string): Promise<Error> {
    const log = (await this.log()).trim().split('\n').slice(-SHOWN_LINES).join('\n');
    return devstackErrors.create(`SERVER_${what}`, { data: { server: this.setup.name, reason, log } });
  }
}

/** Workers whose master was killed go on without it, and keep the port from its successor. */
function endRestOf(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
