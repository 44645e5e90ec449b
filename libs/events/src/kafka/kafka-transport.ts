import { setTimeout as pause } from 'node:timers/promises';
import type { Counter, Meter } from '@rookery/kernel';
import type { Shards } from '@rookery/sharding';
import type { EventRegistry } from '../definition/event-registry.js';
import { eventsErrors } from '../events.errors.js';
import type { GroupSource } from '../groups/shard-groups.js';
import type { Group } from '../handling/handler.js';
import type { HandlerRunner } from '../handling/handler-runner.js';
import { Parking } from '../handling/parking.js';
import type { RetryPolicy } from '../handling/retry-policy.js';
import { LANES } from '../log/log.schema.js';
import { GroupConsumer } from './group-consumer.js';
import { Intake } from './intake.js';
import { settledKafka, type KafkaOptions, type KafkaSettings } from './kafka.options.js';
import { RelayProducer } from './relay-producer.js';
import { RelaySink } from './relay-sink.js';
import { RELAY_GROUP } from './relay-group.js';
import { checkTopics, topicOf } from './topics.js';
import { Troubles, type Trouble } from './troubles.js';

export interface KafkaTransportOptions {
  readonly kafka: KafkaOptions;
  readonly shards: Shards;
  readonly registry: EventRegistry;
  readonly retries: RetryPolicy;
  readonly readAhead: number;
  readonly maxBatch: number;
  readonly meter: Meter;
  readonly onWarning: (message: string, error?: unknown) => void;
}

/** A group, and what applies its events. */
export interface ConsumedGroup {
  readonly group: Group;
  readonly runner: HandlerRunner;
  readonly parking: Parking;
}

interface Consuming {
  readonly consumed: ConsumedGroup;
  readonly consumer: GroupConsumer;
  readonly intake: Intake;
}

const DUE_AT_ONCE = 100;
const FIRST_LOOK_MS = 500;
const MAX_LOOK_MS = 10_000;
const ALL_LANES = Array.from({ length: LANES }, (_, lane) => lane);
const CLUSTER = 'the cluster';

/** Events by Kafka: each log is read by the group `kafka` alone, which sends it, and the handlers' groups consume topics. */
export class KafkaTransport {
  private readonly settings: KafkaSettings;
  private readonly troubles: Troubles;
  private readonly consumers: Consuming[] = [];
  private readonly stopping = new AbortController();
  private readonly relayed: Counter;
  private readonly failures: Counter;
  private readonly rebuilds: Counter;
  private readonly endGauges: (() => void)[] = [];
  private looking: Promise<void> | undefined;

  constructor(private readonly options: KafkaTransportOptions) {
    const { meter } = options;
    this.settings = settledKafka(options.kafka);
    this.troubles = new Troubles(options.onWarning);
    this.relayed = meter.counter({
      name: 'rookery_events_relayed_total',
      help: 'Events that left the log for Kafka, and those that no broker takes',
      labels: ['shard', 'outcome'],
    });
    this.failures = meter.counter({
      name: 'rookery_events_relay_failures_total',
      help: 'Batches that could not be sent, by code',
      labels: ['code'],
    });
    this.rebuilds = meter.counter({
      name: 'rookery_events_kafka_rebuilds_total',
      help: 'Clients of Kafka that were given up for a new one',
      labels: ['part'],
    });
  }

  get trouble(): readonly Trouble[] {
    return this.troubles.all;
  }

  /** What reads the logs: the relay. */
  get relay(): GroupSource {
    const { registry, shards, retries, onWarning } = this.options;
    return {
      name: RELAY_GROUP,
      types: registry.all.map(({ type }) => type).sort(),
      sinkFor: (shard) =>
        new RelaySink({
          shard,
          settings: this.settings,
          producer: new RelayProducer(this.settings, onWarning, () =>
            this.rebuilds.add(1, { part: 'relay' }),
          ),
          parking: new Parking(shards, RELAY_GROUP, retries),
          troubles: this.troubles,
          onDone: (outcome, count) => this.relayed.add(count, { shard, outcome }),
          onFailure: (code) => this.failures.add(1, { code }),
          onWarning,
        }),
    };
  }

  /**
   * Looks for the topics and begins to consume. A cluster that does not answer is asked again in the background, and then
   * it begins by itself. @throws RK_EVENTS_UNKNOWN_TOPIC where the cluster answers, and has not all of them
   */
  async start(groups: readonly ConsumedGroup[]): Promise<void> {
    const there = await this.look().catch((error: unknown) => {
      if (eventsErrors.is(error, 'UNKNOWN_TOPIC')) throw error;
      this.troubles.begin(CLUSTER, error);
      return false;
    });
    for (const consumed of groups) this.consumers.push(this.consumerOf(consumed));
    this.exportLag();
    if (there) this.consume();
    else this.looking = this.lookAgain();
  }

  /** Parked keys of the consumers' groups may be due on this shard. */
  async retryDue(shard: string): Promise<void> {
    for (const { consumer, consumed } of this.consumers) {
      consumer.retryDue(await consumed.parking.due(shard, ALL_LANES, DUE_AT_ONCE));
    }
  }

  /** Nothing is begun any more that was only read ahead. */
  stopTaking(): void {
    this.stopping.abort();
    for (const { consumer } of this.consumers) consumer.stopTaking();
  }

  /** Waits for what is under way, commits, and leaves the groups. The relay is stopped by its readers. */
  async stop(): Promise<void> {
    for (const end of this.endGauges.splice(0)) end();
    await this.looking;
    await Promise.all(this.consumers.splice(0).map(({ consumer }) => consumer.stop()));
  }

  private async look(): Promise<true> {
    await checkTopics(this.options.registry.all, this.settings);
    return true;
  }

  private async lookAgain(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 1; !signal.aborted; failures++) {
      const wait = Math.min(MAX_LOOK_MS, FIRST_LOOK_MS * 2 ** Math.min(failures - 1, 10));
      await pause(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.look();
        this.troubles.end(CLUSTER);
        this.consume();
        return;
      } catch (error) {
        this.troubles.begin(CLUSTER, error);
      }
    }
  }

  private consume(): void {
    if (this.stopping.signal.aborted) return;
    for (const { consumer } of this.consumers) consumer.start();
  }

  private consumerOf(consumed: ConsumedGroup): Consuming {
    const { group, runner, parking } = consumed;
    const { shards, retries, readAhead, maxBatch, onWarning } = this.options;
    const types: Record<string, string[]> = {};
    let handlerMs = 0;
    for (const type of group.types) {
      const { definition, timeoutMs } = group.handlerOf(type)!;
      (types[topicOf(definition, this.settings)] ??= []).push(type);
      handlerMs = Math.max(handlerMs, timeoutMs);
    }
    const intake = new Intake({
      group,
      runner,
      parking,
      retries,
      topicPrefix: this.settings.topicPrefix,
      maxBatch,
      readAhead,
      heartbeatMs: Math.min(1_000, this.settings.sessionTimeoutMs / 6),
      onWarning,
    });
    const consumer = new GroupConsumer({
      group: group.name,
      settings: this.settings,
      types,
      intake,
      handlerMs,
      prepare: async () => {
        for (const shard of shards.shardNames) await parking.load(shard, ALL_LANES);
      },
      troubles: this.troubles,
      onRebuild: () => this.rebuilds.add(1, { part: 'consumer' }),
      onWarning,
    });
    return { consumer, consumed, intake };
  }

  private exportLag(): void {
    const { meter } = this.options;
    this.endGauges.push(
      meter.gauge(
        {
          name: 'rookery_events_kafka_lag',
          help: 'Messages of the partitions this replica has that its group has yet to deal with',
          labels: ['group', 'topic'],
        },
        () =>
          this.consumers.flatMap(({ consumed, intake }) =>
            [...intake.lag()].map(([topic, value]) => ({
              value,
              labels: { group: consumed.group.name, topic },
            })),
          ),
      ),
    );
  }
}
