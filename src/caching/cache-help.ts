import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Cache } from '@rookery/cache';
import { newId } from '@rookery/kernel';
import { prepared, Shards } from '@rookery/sharding';
import { CacheGateOptions } from './cache-gate.js';
import { invalidateTags } from './invalidate-tags.js';

const CHANNEL = 'conduit_cache';
const notify = prepared('conduit.cache.notify', 'SELECT pg_notify($1, $2)');
/** Milliseconds that an answer is waited for: some more than an invalidation takes. */
const WAIT_MS = 700;
/** After a call that nobody answered, no answer is waited for so long: then it is Redis that is away, and nobody caches. */
const NOBODY_MS = 2_000;
/** Of the 8,000 bytes that a notification may have. */
const MOST_BYTES = 7_500;

type Call = { readonly from: string; readonly call: string } & (
  { readonly tags: readonly string[] } | { readonly to: string }
);

/**
 * For a replica that alone has lost Redis: the others go on caching what it changes. It asks them by the database to
 * invalidate it in its place, and whoever has done so says so.
 */
@Injectable()
export class CacheHelp implements OnModuleInit, BeforeApplicationShutdown {
  private readonly waiting = new Map<string, () => void>();
  private nobodyUntil = -Infinity;
  private endListening: (() => void) | undefined;

  constructor(
    private readonly shards: Shards,
    private readonly cache: Cache,
    private readonly options: CacheGateOptions,
  ) {}

  onModuleInit(): void {
    if (this.options.caching !== 'shared') return;
    this.endListening = this.shards.onNotification(CHANNEL, (_, payload) => this.heard(payload));
  }

  beforeApplicationShutdown(): void {
    this.endListening?.();
  }

  /** Gives whether another replica has invalidated them, everywhere but here. */
  async invalidate(tags: readonly string[]): Promise<boolean> {
    if (this.options.caching !== 'shared') return false;
    const call = newId(0);
    if (performance.now() < this.nobodyUntil) {
      // It may have been too busy to answer: it is asked all the same, and asked for an answer again once it gives one.
      await this.say({ from: this.options.replicaId, call, tags }).catch((error: unknown) =>
        this.warn(error),
      );
      return false;
    }
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<boolean>((resolve, reject) => {
        timer = setTimeout(() => {
          this.nobodyUntil = performance.now() + NOBODY_MS;
          resolve(false);
        }, WAIT_MS);
        this.waiting.set(call, () => resolve(true));
        this.say({ from: this.options.replicaId, call, tags }).catch(reject);
      });
    } catch (error) {
      this.warn(error);
      return false;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(call);
    }
  }

  private warn(error: unknown): void {
    this.options.onWarning('no replica could be asked to invalidate in this one’s place', error);
  }

  private heard(payload: string): void {
    // A shard is listened to anew: whoever called meanwhile has not been heard, and has done without help.
    if (payload === '') return;
    const call = JSON.parse(payload) as Call;
    if (call.from === this.options.replicaId) return;
    if ('to' in call) {
      if (call.to !== this.options.replicaId) return;
      this.nobodyUntil = -Infinity;
      this.waiting.get(call.call)?.();
      return;
    }
    this.help(call.from, call.call, call.tags).catch((error: unknown) =>
      this.options.onWarning('another replica could not be helped to invalidate', error),
    );
  }

  private async help(to: string, call: string, tags: readonly string[]): Promise<void> {
    if (!(await invalidateTags(this.cache, tags))) return;
    await this.say({ from: this.options.replicaId, call, to });
  }

  /** By the first shard that takes it; each replica listens on all of them. */
  private async say(call: Call): Promise<void> {
    const payload = JSON.stringify(call);
    if (Buffer.byteLength(payload) > MOST_BYTES) throw new RangeError('too many tags for one call');
    const failures: unknown[] = [];
    for (const shard of this.shards.shardNames) {
      try {
        await this.shards.queryShard(shard, notify(CHANNEL, payload));
        return;
      } catch (error) {
        failures.push(error);
      }
    }
    throw new AggregateError(failures, 'no shard took a notification');
  }
}
