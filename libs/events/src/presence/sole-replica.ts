import { setTimeout as pause } from 'node:timers/promises';
import { BackgroundLoop, noopMeter, type Meter } from '@rookery/kernel';
import { prepared, type Shards } from '@rookery/sharding';

export interface SoleReplicaOptions {
  /** What the replicas have in common: those of another name do not count. */
  readonly name: string;
  readonly replicaId: string;
  /** Called each time before this replica believes itself alone: another one may have been there since. */
  readonly onSole: () => void;
  /** Milliseconds for which a registration holds: the longest that a replica waits for one that is frozen. @default 12000 */
  readonly holdMs?: number;
  readonly meter?: Meter;
  readonly onWarning?: (message: string, error?: unknown) => void;
}

const present = prepared(
  'rookery.presence.present',
  'SELECT sole, other_sole AS "otherSole" FROM rookery_present($1, $2, $3, $4)',
);
const leave = prepared(
  'rookery.presence.leave',
  'DELETE FROM rookery_presence WHERE name = $1 AND replica = $2',
);
const tell = prepared('rookery.presence.tell', "SELECT pg_notify('rookery_presence', $1)");

const CHANNEL = 'rookery_presence';
const ASK_AGAIN_MS = 50;

/**
 * Whether this replica is the only one: then, and only then, it may keep in its memory what another one would have to be
 * told of. Promises: from the moment that `start` has resolved, and until `stop`, no other replica believes itself alone,
 * whether it is slow, frozen or cut off; its belief ends by its own clock before its registration does in the database.
 * Replicas register on every shard: one that reaches any of them, and so can write, is known to who is alone on all.
 */
export class SoleReplica {
  private validUntil = -Infinity;
  private readonly holdMs: number;
  private readonly loop: BackgroundLoop;
  private endListening: (() => void) | undefined;
  private endGauge: (() => void) | undefined;

  constructor(
    private readonly shards: Shards,
    private readonly options: SoleReplicaOptions,
  ) {
    this.holdMs = options.holdMs ?? 12_000;
    this.loop = new BackgroundLoop({
      name: 'presence',
      intervalMs: this.holdMs / 3,
      maxBackoffMs: this.holdMs / 3,
      meter: options.meter ?? noopMeter,
      run: async () => {
        const { failures } = await this.register();
        if (failures.length > 0) throw new AggregateError(failures, 'not every shard answers');
      },
      onError: (error) => options.onWarning?.('this replica could not say everywhere that it is here', error),
    });
  }

  get isSole(): boolean {
    return performance.now() < this.validUntil;
  }

  /**
   * Resolves once no other replica believes itself alone; one that does not answer is waited for, `holdMs` at most. Shards
   * that are away are told later: until then this replica cannot write there either.
   */
  async start(): Promise<void> {
    const { name, replicaId, meter = noopMeter } = this.options;
    this.endGauge ??= meter.gauge(
      {
        name: 'rookery_events_sole_replica',
        help: '1 while this replica believes itself the only one, and 0 while it knows or fears that it is not',
        labels: ['name'],
      },
      () => [{ value: this.isSole ? 1 : 0, labels: { name } }],
    );
    this.endListening = this.shards.onNotification(CHANNEL, (_, payload) => {
      if (payload !== replicaId) this.loop.wake();
    });
    for (;;) {
      const { others } = await this.register();
      if (others.length === 0) break;
      await Promise.allSettled(others.map((shard) => this.shards.queryShard(shard, tell(replicaId))));
      await pause(ASK_AGAIN_MS);
    }
    this.loop.start();
  }

  async stop(): Promise<void> {
    this.endListening?.();
    await this.loop.stop();
    this.validUntil = -Infinity;
    this.endGauge?.();
    const { name, replicaId, onWarning } = this.options;
    await Promise.all(
      this.shards.shardNames.map((shard) =>
        this.shards
          .queryShard(shard, leave(name, replicaId))
          .catch((error: unknown) => onWarning?.('a registration is left to run out', error)),
      ),
    );
  }

  /** Gives the shards on which another replica may still believe itself alone, and what those say that are away. */
  private async register(): Promise<{ others: string[]; failures: unknown[] }> {
    const { name, replicaId, onSole } = this.options;
    const asked = performance.now();
    const believes = this.isSole;
    const others: string[] = [];
    const failures: unknown[] = [];
    let sole = true;
    await Promise.all(
      this.shards.shardNames.map(async (shard) => {
        try {
          const [row] = await this.shards.queryShard<{ sole: boolean; otherSole: boolean }>(
            shard,
            present(name, replicaId, this.holdMs, believes),
          );
          if (row!.otherSole) others.push(shard);
          sole &&= row!.sole;
        } catch (error) {
          failures.push(error);
        }
      }),
    );
    if (!sole) {
      this.validUntil = -Infinity;
      // Until here it was registered as if nothing had changed: others may begin only now that it knows of them.
      if (believes) return this.register();
    } else if (failures.length === 0) {
      if (!this.isSole) onSole();
      this.validUntil = asked + this.holdMs;
    }
    return { others, failures };
  }
}
