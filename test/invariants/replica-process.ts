import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { EventsOptions } from '@rookery/events';
import type { EventsInternals, Misbehaviour, RecorderReplicaOptions } from '@rookery/events/testing';
import { root } from '../../scripts/build-if-stale.mjs';

const SCRIPT = join(root, 'test/invariants/replica.mjs');
const KEPT = 20_000;
/** Longest it may take to do as it is told: one that spins hears nothing any more, and would be waited for for ever. */
const CONFIRM_LIMIT_MS = 90_000;

/** What a replica is told when it is to be one. */
export interface ReplicaSetup {
  readonly urls: readonly string[];
  readonly poolMax?: number;
  readonly options?: RecorderReplicaOptions & Partial<EventsOptions>;
  readonly internals?: EventsInternals;
}

/** A process of its own that is a replica of a site, of one after the other. */
export class ReplicaProcess {
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;
  private hasEnded = false;
  private said = '';

  private constructor(imported: readonly string[]) {
    const imports = imported.flatMap((file) => ['--import', file]);
    this.child = spawn(process.execPath, [...imports, SCRIPT], {
      cwd: root,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => this.say(text));
    // What is sent to one that was killed a moment before.
    this.child.on('error', (error) => this.say(`${error.message}\n`));
    this.ended = once(this.child, 'close').then(([code]) => {
      this.hasEnded = true;
      return code as number | null;
    });
  }

  /**
   * Resolves when it may be told to serve.
   * @param imported modules that run in it before its script
   */
  static async spawn(imported: readonly string[] = []): Promise<ReplicaProcess> {
    const replica = new ReplicaProcess(imported);
    await replica.confirmed('spawned');
    return replica;
  }

  get runs(): boolean {
    return !this.hasEnded;
  }

  /** Resolves when it handles events. @throws with what it said, if it ends before */
  async serve(setup: ReplicaSetup): Promise<void> {
    this.child.send({ setup });
    await this.confirmed('told to serve');
  }

  /** Stops in order; it may serve again. @throws with what it said, if it ends before */
  async rest(): Promise<void> {
    this.child.send({ resting: true });
    await this.confirmed('told to rest');
  }

  /** Resolves when its handlers know. @throws with what it said, if it ends before */
  async misbehave(wrong: Misbehaviour): Promise<void> {
    this.child.send({ wrong });
    await this.confirmed('told to misbehave');
  }

  /** Tells it what only a module knows that it imported. Resolves when it is heard, and what comes of it has been confirmed. */
  async tell(message: object, what: string): Promise<void> {
    this.child.send(message);
    await this.confirmed('told something');
    await this.confirmed(what);
  }

  /** SIGKILL; resolves when it is dead. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** SIGSTOP: its connections stay open, and it believes to have what it had. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  /** SIGTERM. @throws unless it ends in order */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const code = await this.ended;
    if (code !== 0) throw new Error(`a replica that was to stop ended with ${code}:\n${this.said}`);
  }

  private say(text: string): void {
    this.said = (this.said + text).slice(-KEPT);
  }

  private async confirmed(what: string): Promise<void> {
    const over = new AbortController();
    const { signal } = over;
    const late = pause(CONFIRM_LIMIT_MS, 'late', { signal }).catch(() => undefined);
    const confirmed = once(this.child, 'message', { signal });
    const first = await Promise.race([confirmed, this.ended, late]).finally(() => over.abort());
    if (first === 'late') {
      await this.kill();
      throw new Error(`a replica did nothing for ${CONFIRM_LIMIT_MS} ms when it was ${what}:\n${this.said}`);
    }
    if (this.hasEnded) throw new Error(`a replica ended when it was ${what}:\n${this.said}`);
  }
}
