import type { InvalidationMode } from '../../tag-table.js';
import type { RedisConnection } from './connection.js';
import { within } from './deadline.js';
import type { Announcement } from './invalidations.js';
import type { Keys } from './keys.js';
import type { RedisClock } from './redis-clock.js';
import { BEAT, LEAVE } from './scripts.js';
import { Step } from './step.js';
import { Subscription } from './subscription.js';

export interface MembershipSetup {
  readonly id: string;
  readonly keys: Keys;
  readonly connection: RedisConnection;
  readonly clock: RedisClock;
  readonly deadlineMs: number;
  readonly boundMs: number;
  readonly trustMs: number;
  readonly heardInvalidation: (tags: readonly string[], mode: InvalidationMode) => void;
  readonly acknowledged: (announcement: number, replica: string) => void;
  readonly forget: () => void;
  readonly onWarning: (message: string, error?: unknown) => void;
}

/** Beats under way at once; more only pile up before a server that does not answer. */
const MOST_UNHEARD = 8;
/** A registration that is not renewed for so many bounds is gone. */
const BEAT_BOUNDS = 10;
/** After so many bounds without an answer the connections are made anew: nobody tells of a host that has vanished. */
const REPLACE_BOUNDS = 10;

/** Keeps this replica among those that are told of invalidations, and knows whether it is. */
export class Membership {
  private readonly step: Step;
  private readonly subscription: Subscription;
  private readonly waiting = new Set<() => void>();
  private readonly unsent = new Map<string, number[]>();

  constructor(private readonly setup: MembershipSetup) {
    const { keys, id } = setup;
    this.step = new Step(setup.trustMs, setup.forget);
    this.subscription = new Subscription({
      channels: [keys.channel, keys.own(id)],
      heard: (message, channel) => this.hear(message, channel),
      lost: () => this.step.lose({ missed: true }),
    });
  }

  isInStep(now: number): boolean {
    return this.step.isIn(now);
  }

  loseStep(): void {
    this.step.lose({ missed: false });
  }

  /** Waits for it, at most so long. */
  async whenInStep(limitMs: number): Promise<boolean> {
    if (this.isInStep(performance.now())) return true;
    let wake: (() => void) | undefined;
    const heard = new Promise<void>((resolve) => this.waiting.add((wake = resolve)));
    // Too late is an answer, too.
    await within(limitMs, heard).catch(() => undefined);
    this.waiting.delete(wake!);
    return this.isInStep(performance.now());
  }

  /** Sends a beat; when it is heard, this replica is in step. */
  async beat(): Promise<void> {
    const { connection, keys, id, boundMs } = this.setup;
    const since = this.step.unheardSince;
    const silentMs = since === undefined ? 0 : performance.now() - since;
    if (silentMs > REPLACE_BOUNDS * boundMs) {
      this.step.lose({ missed: true });
      await this.subscription.close();
      connection.replace();
    }
    if (this.step.unheard >= MOST_UNHEARD && silentMs > boundMs) return;
    try {
      await this.listen();
      const number = this.step.nextBeat(performance.now());
      const args = [id, String(boundMs), String(BEAT_BOUNDS * boundMs), keys.own(id), String(number)];
      const names = [keys.registry, keys.beat(id), keys.alive, keys.everything, keys.history];
      // Nobody waits for its answer: it is heard by the subscription, or not.
      connection.eval(BEAT, names, args).catch(() => this.step.failed(number));
    } catch {
      // Away: the connection has told of it, and the next turn tries again.
    }
  }

  /** In order: nobody waits for it any more. */
  async leave(): Promise<void> {
    const { connection, keys, id } = this.setup;
    this.step.lose({ missed: true });
    await connection
      .call(() => connection.eval(LEAVE, [keys.registry, keys.beat(id)], [id]))
      .catch(() => undefined);
    await this.subscription.close();
  }

  /** Where the registry is: a node of a cluster tells others what is announced there as well, and may fail to. */
  private async listen(): Promise<void> {
    const { connection, keys } = this.setup;
    const url = connection.urlOf(keys.registry);
    if (this.subscription.isOpenTo(url)) return;
    this.step.lose({ missed: true });
    await this.subscription.open(url);
  }

  private hear(message: string, channel: string): void {
    if (channel === this.setup.keys.channel) {
      const { from, number, tags, mode } = JSON.parse(message) as Announcement;
      this.setup.heardInvalidation(tags, mode);
      if (from !== this.setup.id) this.acknowledge(from, number);
      return;
    }
    const [kind, first, second, third, run] = message.split(':', 5) as [
      string,
      string,
      string,
      string,
      string,
    ];
    if (kind === 'b') this.hearBeat(Number(first), second, Number(third), run);
    else for (const number of second.split(',')) this.setup.acknowledged(Number(number), first);
  }

  private hearBeat(number: number, born: string, shown: number, run: string): void {
    // Another node has run it, and the bus between them may have lost what was announced before.
    if (run !== this.subscription.run) return;
    const now = performance.now();
    const tookMs = this.step.hear(number, born, now);
    if (tookMs === undefined) return;
    this.setup.clock.hear(born, shown, now - tookMs, now);
    this.setup.connection.heard(tookMs <= this.setup.deadlineMs);
    for (const wake of this.waiting) wake();
  }

  /** Those of one moment go out together. */
  private acknowledge(to: string, number: number): void {
    const numbers = this.unsent.get(to);
    if (numbers) return void numbers.push(number);
    this.unsent.set(to, [number]);
    setImmediate(() => this.sendAcknowledgements(to));
  }

  private sendAcknowledgements(to: string): void {
    const { connection, keys, id } = this.setup;
    const numbers = this.unsent.get(to)!;
    this.unsent.delete(to);
    // If it does not arrive, he waits until this replica is out of step, as far as he knows.
    connection.publish(keys.own(to), `a:${id}:${numbers.join()}`).catch(() => undefined);
  }
}
