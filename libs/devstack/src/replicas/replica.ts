import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { devstackErrors } from '../devstack.errors.js';
import { ReplicaProcess } from './replica-process.js';
import type { ReplicaSetOptions, ReplicaState, ReplicaStatus } from './replica-set.options.js';

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 60_000;
const MAX_BACKOFF_MS = 30_000;
/** One that has run for so long did not end because of how it was started. */
const STEADY_MS = 30_000;
/** EX_CONFIG of sysexits.h: to try again changes nothing. */
const EXIT_CONFIG = 78;

/** A place that one process after the other has; one that ends by itself is followed by the next. */
export class Replica {
  private current: ReplicaProcess | undefined;
  private state: ReplicaState = 'starting';
  private note: string | undefined;
  private incarnations = 0;
  private crashes = 0;
  private crashesInARow = 0;
  private readonly leaving = new AbortController();
  private watching: Promise<void> = Promise.resolve();
  private replacing: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    private readonly options: ReplicaSetOptions,
  ) {}

  get status(): ReplicaStatus {
    const { current, name, state, crashes, note } = this;
    return {
      name,
      id: current?.id ?? name,
      state,
      pid: current?.pid,
      uptimeMs: current?.runs ? current.uptimeMs : 0,
      crashes,
      note,
    };
  }

  /** @throws RK_DEVSTACK_SERVER_START_FAILED, RK_DEVSTACK_SERVER_START_TIMEOUT; nothing of it runs then */
  async start(signal: AbortSignal): Promise<void> {
    this.become('starting');
    const process = await this.launch(signal).catch((error: Error) => {
      this.become('failed', error.message);
      throw error;
    });
    this.take(process);
  }

  /**
   * Another process takes the place: it takes traffic before the one that has it is told to stop. Resolves when that has
   * ended. @throws as `start`; the one that has the place keeps it
   */
  async replace(signal: AbortSignal): Promise<void> {
    if (this.state === 'failed') return this.start(signal);
    // What is just being started is as new as its successor would be.
    if (this.state !== 'up') return;
    this.replacing = this.succeed(signal);
    await this.replacing;
  }

  private async succeed(signal: AbortSignal): Promise<void> {
    const next = await this.launch(signal);
    const old = this.current;
    // From here on its end is not a crash.
    if (old) old.told = true;
    this.take(next);
    if (old) this.tell(`${next.id} takes traffic, ${old.id} is told to stop`);
    if (old && !(await old.stop(this.stopLimitMs)))
      this.tell(`${old.id} did not stop in time, and was killed`);
  }

  /** Resolves when it is dead. @throws RK_DEVSTACK_SERVER_WRONG_STATE */
  async kill(): Promise<void> {
    if (!this.current?.runs) {
      const data = { server: this.name, wanted: 'killed', state: 'does not run' };
      throw devstackErrors.create('SERVER_WRONG_STATE', { data });
    }
    this.current.kill();
    await this.current.ended;
  }

  /** For good. Hurried by aborting: it is killed then. */
  async stop(hurry: AbortSignal): Promise<void> {
    this.become('stopping');
    this.leaving.abort();
    const { current } = this;
    const cut = (): void => current?.kill();
    if (hurry.aborted) cut();
    hurry.addEventListener('abort', cut);
    if (current && !(await current.stop(this.stopLimitMs)))
      this.tell(`${current.id} did not stop in time, and was killed`);
    hurry.removeEventListener('abort', cut);
    await this.watching;
  }

  private get stopLimitMs(): number {
    return this.options.stopLimitMs ?? STOP_LIMIT_MS;
  }

  /** Resolves when traffic reaches it. */
  private async launch(signal: AbortSignal): Promise<ReplicaProcess> {
    const { command, environment, folder, logs, guard, startLimitMs = START_LIMIT_MS } = this.options;
    this.incarnations += 1;
    const id = `${this.name}.${this.incarnations}`;
    const logFile = join(logs, `${this.name}.log`);
    const process = await ReplicaProcess.start({
      id,
      command,
      environment: environment(id),
      folder,
      logFile,
      guard,
    });
    if (this.current === undefined || !this.current.runs) this.current = process;
    const over = new AbortController();
    const limit = AbortSignal.any([
      signal,
      this.leaving.signal,
      over.signal,
      AbortSignal.timeout(startLimitMs),
    ]);
    try {
      await Promise.race([this.options.whenServing(id, limit), process.ended]);
    } catch (cause) {
      const reason = this.leaving.signal.aborted || signal.aborted ? 'it was not waited for' : undefined;
      process.told = true;
      process.kill();
      await process.ended;
      throw await this.failed(
        process,
        'START_TIMEOUT',
        reason ?? `no traffic after ${startLimitMs / 1_000} s`,
        cause,
      );
    } finally {
      over.abort();
    }
    if (!process.runs)
      throw await this.failed(process, 'START_FAILED', `it ended with ${await process.ended}`);
    return process;
  }

  private take(process: ReplicaProcess): void {
    this.current = process;
    this.become('up');
    this.watching = this.follow(process);
  }

  /** Until its end; and until the next one, where nobody told it to end. */
  private async follow(process: ReplicaProcess): Promise<void> {
    let ended = process;
    for (;;) {
      const how = await ended.ended;
      // One that dies while its successor starts has that.
      await this.replacing.catch(() => undefined);
      if (ended.told || this.leaving.signal.aborted) return;
      this.crashes += 1;
      this.crashesInARow = ended.uptimeMs > STEADY_MS ? 1 : this.crashesInARow + 1;
      const next = await this.again(ended, how);
      if (next === undefined) return;
      ended = next;
    }
  }

  private async again(ended: ReplicaProcess, how: string): Promise<ReplicaProcess | undefined> {
    const { backoffMs = 500, crashesInARow = 8 } = this.options;
    for (let reason = `${ended.id} ended with ${how}`, code = ended.exitCode; ; code = null) {
      if (code === EXIT_CONFIG || this.crashesInARow > crashesInARow) {
        this.become('failed', reason);
        this.tell(`${reason}; it is not started again`);
        return undefined;
      }
      const waitMs = Math.min(backoffMs * 2 ** (this.crashesInARow - 1), MAX_BACKOFF_MS);
      this.become('waiting', reason);
      this.tell(`${reason}; started again in ${waitMs / 1_000} s`);
      const left = await delay(waitMs, false, { signal: this.leaving.signal }).catch(() => true);
      if (left) return undefined;
      this.become('starting');
      try {
        const next = await this.launch(this.leaving.signal);
        this.current = next;
        this.become('up');
        this.tell(`${next.id} takes traffic`);
        return next;
      } catch (error) {
        if (this.leaving.signal.aborted) return undefined;
        this.crashesInARow += 1;
        reason = (error as Error).message.split('\n')[0]!;
      }
    }
  }

  private become(state: ReplicaState, note?: string): void {
    if (this.leaving.signal.aborted && state !== 'stopping') return;
    this.state = state;
    this.note = note;
  }

  private tell(line: string): void {
    this.options.onEvent?.(line);
  }

  private async failed(
    process: ReplicaProcess,
    what: 'START_FAILED' | 'START_TIMEOUT',
    reason: string,
    cause?: unknown,
  ): Promise<Error> {
    const data = { server: process.id, reason, log: await process.lastWords() };
    return devstackErrors.create(`SERVER_${what}`, { data, cause });
  }
}
