import { randomBytes } from 'node:crypto';
import { BackgroundLoop } from '@rookery/kernel';
import type { CacheSettings } from '../../cache.options.js';
import type { InvalidationMode } from '../../tag-table.js';
import {
  EVERYTHING,
  type Acknowledgement,
  type CacheDriver,
  type DriverEntry,
  type DriverListener,
  type DriverRead,
  type DriverState,
  type LeaseWish,
  type StoredRecord,
  type Versions,
} from '../driver.js';
import { RedisConnection } from './connection.js';
import { RedisEntries } from './entries.js';
import { Keys } from './keys.js';
import { Membership } from './membership.js';
import { RedisClock } from './redis-clock.js';
import { RedisInvalidations } from './invalidations.js';

type Settings = Pick<
  CacheSettings,
  'namespace' | 'version' | 'replicaId' | 'deadlineMs' | 'acknowledgeWithinMs' | 'meter' | 'onWarning'
>;

/** A replica that heard nothing for this share of the bound trusts nothing any more. */
const TRUST_SHARE = 0.8;
const BEATS_PER_BOUND = 5;
/** How often a replica that starts is waited for. */
const START_BOUNDS = 4;

/**
 * Replicas share entries in Redis, and tell each other of invalidations through it. Who is in step, who is waited for and
 * why no bound yields a stale read: docs/adr/0013-a-replica-that-hears-nothing-trusts-nothing.md.
 */
export class RedisDriver implements CacheDriver {
  readonly name = 'redis';
  /** Other than `replicaId`, it is never used twice. */
  readonly id: string;
  private readonly connection: RedisConnection;
  private readonly entries: RedisEntries;
  private readonly membership: Membership;
  private readonly invalidations: RedisInvalidations;
  private readonly loop: BackgroundLoop;
  private listener: DriverListener | undefined;

  constructor(
    urls: readonly string[],
    isCluster: boolean,
    private readonly settings: Settings,
  ) {
    const { namespace, version, replicaId, deadlineMs, acknowledgeWithinMs, meter, onWarning } = settings;
    this.id = `${replicaId}-${randomBytes(6).toString('hex')}`;
    const keys = new Keys(namespace, version);
    this.connection = new RedisConnection({
      urls,
      isCluster,
      deadlineMs,
      boundMs: acknowledgeWithinMs,
      onWarning,
    });
    const clock = new RedisClock();
    this.entries = new RedisEntries(this.connection, keys, clock);
    const shared = { id: this.id, keys, connection: this.connection };
    this.membership = new Membership({
      ...shared,
      clock,
      deadlineMs,
      boundMs: acknowledgeWithinMs,
      trustMs: acknowledgeWithinMs * TRUST_SHARE,
      heardInvalidation: (tags, mode) => this.tell(tags, mode),
      forget: () => this.listener?.invalidatedAll(),
      acknowledged: (announcement, replica) => this.invalidations.acknowledged(announcement, replica),
      onWarning,
    });
    this.invalidations = new RedisInvalidations({
      ...shared,
      draw: () => this.entries.draw(),
      boundMs: acknowledgeWithinMs,
      trustMs: acknowledgeWithinMs * TRUST_SHARE,
      // What could not be recorded is not to be read here either, until it is.
      failed: () => {
        this.connection.isGone();
        this.membership.loseStep();
        this.loop.wake();
      },
    });
    this.loop = new BackgroundLoop({
      name: 'cache-beat',
      intervalMs: acknowledgeWithinMs / BEATS_PER_BOUND,
      maxBackoffMs: acknowledgeWithinMs,
      run: () => this.beat(),
      meter,
    });
  }

  async start(listener: DriverListener): Promise<void> {
    this.listener = listener;
    void this.connection.connect().then(() => this.loop.wake());
    this.loop.start();
    await this.membership.whenInStep(START_BOUNDS * this.settings.acknowledgeWithinMs);
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await this.membership.leave();
    if (this.invalidations.pending > 0) {
      this.settings.onWarning(`${this.invalidations.pending} invalidations could not be recorded in Redis`);
    }
    await this.connection.close();
  }

  inStep(now: number): boolean {
    return this.membership.isInStep(now);
  }

  async comeIntoStep(): Promise<boolean> {
    // Who was waited for in vain is not waited for again.
    if (this.connection.away || this.listener === undefined) return false;
    this.loop.wake();
    if (await this.membership.whenInStep(this.settings.deadlineMs)) return true;
    this.connection.isGone();
    return false;
  }

  read(key: string, tags: readonly string[], lease: LeaseWish): Promise<DriverRead> {
    return this.entries.read(key, tags, lease);
  }

  write(
    key: string,
    _tags: readonly string[],
    record: StoredRecord,
    versions: Versions,
    lease?: string,
  ): Promise<void> {
    return this.entries.write(key, record, versions, lease);
  }

  release(key: string, lease: string, afterMs = 0): Promise<void> {
    return this.entries.release(key, lease, afterMs);
  }

  async invalidate(tags: readonly string[], mode: InvalidationMode): Promise<Acknowledgement> {
    const answer = await this.invalidations.invalidate(tags, mode);
    // Once more: what was read since the caller dropped it may have been read before Redis knew.
    this.tell(tags, mode);
    return answer;
  }

  async explain(key: string): Promise<DriverEntry | undefined> {
    if (this.connection.away) return undefined;
    return this.entries.explain(key);
  }

  state(): DriverState {
    const { away } = this.connection;
    const { id, invalidations } = this;
    return { status: away ? 'away' : 'up', details: { replica: id, unrecorded: invalidations.pending } };
  }

  private async beat(): Promise<void> {
    this.connection.tend();
    await this.invalidations.replay();
    if (this.invalidations.pending === 0) await this.membership.beat();
  }

  private tell(tags: readonly string[], mode: InvalidationMode): void {
    if (tags.includes(EVERYTHING)) this.listener?.invalidatedAll();
    else this.listener?.invalidated(tags, mode);
  }
}
