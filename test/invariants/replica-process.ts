import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { EventsOptions } from '@rookery/events';
import type { EventsInternals, Misbehaviour, RecorderReplicaOptions } from '@rookery/events/testing';
import { root } from '../../scripts/build-if-stale.mjs';

const SCRIPT = join(root, 'test/invariants/replica.mjs');
const KEPT = 20_000;

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

  private constructor() {
    this.child = spawn(process.execPath, [SCRIPT], {
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

  /** Resolves when it may be told to serve. */
  static async spawn(): Promise<ReplicaProcess> {
    const replica = new ReplicaProcess();
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
    await Promise.race([once(this.child, 'message', { signal }), this.ended]).finally(() => over.abort());
    if (this.hasEnded) throw new Error(`a replica ended when it was ${what}:\n${this.said}`);
  }
}
