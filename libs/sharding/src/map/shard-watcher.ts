import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { BackgroundLoop, type Meter } from '@rookery/kernel';
import { connectInTime, dropStream, inTime, NoAnswer } from '../in-time.js';
import type { OwnedSlot, SlotState } from './slot-map.js';

export interface ShardWatcherOptions {
  readonly shard: string;
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly pollMs: number;
  /** While the shard is away: longest time that callers wait for the answer of a look. @default 100 */
  readonly recheckWaitMs?: number;
  readonly applicationName: string;
  readonly meter: Meter;
  /** Runs on each new connection before the shard counts as present; throwing keeps it out. */
  readonly admit: (query: WatchQuery) => Promise<void>;
  readonly onSlots: (owned: OwnedSlot[]) => void;
  /** `undefined`: the shard answers and is admitted. An error: it is away, or refused. */
  readonly onState: (trouble: Error | undefined) => void;
  /** Channels to hear beside the map's own. Letters and `_`. */
  readonly channels: () => readonly string[];
  /** Told of each notification on one of them, and of each new connection with an empty payload. */
  readonly onNotification: (channel: string, payload: string) => void;
}

export type WatchQuery = <R extends object>(text: string, values?: unknown[], name?: string) => Promise<R[]>;

const MAP_CHANNEL = 'rookery_map';

/** Longest wait for an answer to a question this small; a server that needs longer is not serving. */
export const ANSWER_LIMIT_MS = 2_000;
/** While the shard is away: least time between two looks that callers cause, and how long they wait for the answer. */
const RECHECK_MS = 100;

/**
 * Watches one shard through one connection of its own: is it there, is it the right one, which slots does it own.
 * NOTIFY tells of changes at once, polling makes sure none is missed, and each answer renews the lease under which this
 * replica trusts what it knows of the shard.
 */
export class ShardWatcher {
  private client: pg.Client | undefined;
  private version: string | undefined;
  private confirmed = -Infinity;
  /** When the last look began. */
  private lookedAt = -Infinity;
  private trouble: Error | undefined = new Error('not looked at yet');
  private readonly loop: BackgroundLoop;
  private lookUnderWay: Promise<void> | undefined;
  private recheckUnderWay: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly options: ShardWatcherOptions) {
    this.loop = new BackgroundLoop({
      name: 'slot-map',
      intervalMs: options.pollMs,
      // A shard that comes back is served again within about a second.
      maxBackoffMs: options.pollMs,
      meter: options.meter,
      // What it was woken for may have come after the look under way had its answer.
      run: () => this.lookAfresh(),
    });
  }

  get shard(): string {
    return this.options.shard;
  }

  /** Why the shard is not served; `undefined` while it is. */
  get away(): Error | undefined {
    return this.trouble;
  }

  /** Milliseconds since the shard last confirmed what it owns. */
  get age(): number {
    return performance.now() - this.confirmed;
  }

  start(): void {
    this.loop.start();
  }

  /** Looks soon, without waiting for the answer. */
  wake(): void {
    this.loop.wake();
  }

  /** Another channel is to be heard: also on the connection that is open. */
  listen(): void {
    const { client } = this;
    if (!client || this.trouble) return;
    this.hear(this.queryOn(client)).catch(() => this.loop.wake());
  }

  /**
   * Notifies over the connection that hears, so that the server wakes no second one for it. What is told is never on disk:
   * nothing is flushed for it. Rejects while there is no such connection.
   */
  async notify(channel: string, payload: string): Promise<void> {
    if (!this.client) throw this.trouble ?? new Error('its connection is being made anew');
    await this.queryOn(this.client)(
      `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`,
      [channel, payload],
      'rookery.notify',
    );
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.loop.stop();
    await this.lookUnderWay?.catch(() => undefined);
    this.dropClient();
  }

  /** Looks now; several callers share one look. Rejects while the shard is away or refused. */
  look(): Promise<void> {
    this.lookUnderWay ??= this.lookOnce().finally(() => {
      this.lookUnderWay = undefined;
    });
    return this.lookUnderWay;
  }

  /** As `look`, by one that begins from now on: it sees whatever was committed before. */
  lookAfresh(): Promise<void> {
    return this.lookUnderWay ? this.lookUnderWay.then(() => this.look()) : this.look();
  }

  /**
   * While the shard is away: looks again, at most ten times a second however many callers ask, and waits a moment for the
   * answer. A server that was only restarted is so served again by the first call that comes.
   */
  async recheck(): Promise<void> {
    if (!this.trouble) return;
    this.recheckUnderWay ??= this.recheckOnce().finally(() => {
      this.recheckUnderWay = undefined;
    });
    await this.recheckUnderWay;
  }

  private async recheckOnce(): Promise<void> {
    const sinceLook = performance.now() - this.lookedAt;
    if (sinceLook < RECHECK_MS) await pause(RECHECK_MS - sinceLook);
    if (!this.trouble || this.stopped) return;
    const over = new AbortController();
    const late = pause(this.options.recheckWaitMs ?? RECHECK_MS, undefined, { signal: over.signal });
    // One that is under way began before the call, and may have found the server not yet ready.
    const looked = this.lookUnderWay?.catch(() => this.look()) ?? this.look();
    await Promise.race([looked.catch(() => undefined), late.catch(() => undefined)]);
    over.abort();
  }

  private async lookOnce(): Promise<void> {
    const asked = performance.now();
    this.lookedAt = asked;
    const old = this.client;
    try {
      try {
        await this.ask(old);
      } catch (error) {
        // A connection from before that broke says nothing of the shard; one that got no answer in time does.
        if (!old || error instanceof NoAnswer) throw error;
        this.dropClient();
        await this.ask(undefined);
      }
      this.confirmed = asked;
      if (this.trouble) {
        this.trouble = undefined;
        this.options.onState(undefined);
      }
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      this.dropClient();
      this.trouble = cause;
      this.options.onState(cause);
      throw cause;
    }
  }

  private async ask(client: pg.Client | undefined): Promise<void> {
    const query = this.queryOn(client ?? (await this.connect()));
    if (!client) {
      await this.options.admit(query);
      await query(`LISTEN ${MAP_CHANNEL}`);
      await this.hear(query);
    }
    const [row] = await query<{ version: string }>('SELECT version FROM rookery_slot_version');
    const version = row?.version;
    if (client && version === this.version) return;
    const owned = await query<{ slot: number; epoch: string; state: SlotState }>(
      'SELECT slot, epoch, state FROM rookery_slot',
    );
    this.options.onSlots(owned.map(({ slot, epoch, state }) => ({ slot, epoch: Number(epoch), state })));
    this.version = version;
  }

  private async hear(query: WatchQuery): Promise<void> {
    for (const channel of this.options.channels()) {
      await query(`LISTEN ${channel}`);
      this.options.onNotification(channel, '');
    }
  }

  private queryOn(client: pg.Client): WatchQuery {
    return async <R extends object>(text: string, values: unknown[] = [], name?: string) => {
      const { rows } = await inTime(client.query<R>({ text, values, name }), ANSWER_LIMIT_MS);
      return rows;
    };
  }

  private async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.options.url,
      keepAlive: true,
      // A notification need not wait until a look has been answered.
      pipeline: true,
      application_name: `${this.options.applicationName}-watch`,
    });
    client.on('notification', ({ channel, payload }) => {
      if (channel === MAP_CHANNEL) this.loop.wake();
      else this.options.onNotification(channel, payload ?? '');
    });
    client.on('error', () => {
      if (this.client === client) this.client = undefined;
      this.loop.wake();
    });
    await connectInTime(client, this.options.connectTimeoutMs);
    this.client = client;
    return client;
  }

  private dropClient(): void {
    const client = this.client;
    this.client = undefined;
    if (!client) return;
    // The server may be frozen: a polite goodbye is not waited for.
    const gone = client.end();
    gone.catch(() => undefined);
    dropStream(client);
  }
}
