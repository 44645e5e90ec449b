import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, Consumer, Kafka } from 'kafkajs';
import type { StoredEvent } from '../definition/stored-event.js';
import { partitionIn } from './cloud-event.js';
import type { CommittableOffset, Intake } from './intake.js';
import { CLIENT_RETRIES, isBecoming, kafkaClient, protocolErrorOf } from './kafka-client.js';
import type { KafkaSettings } from './kafka.options.js';
import { committedOffsets } from './committed-offsets.js';
import { partitionOf } from './partition-of.js';
import type { Troubles } from './troubles.js';
import { typesAssigner, type MemberTypes } from './types-assigner.js';

export interface GroupConsumerOptions {
  readonly group: string;
  readonly settings: KafkaSettings;
  /** Types the group handles, by topic with the site's prefix. */
  readonly types: MemberTypes['types'];
  readonly intake: Intake;
  /** Longest that a handler may take, in milliseconds. */
  readonly handlerMs: number;
  /** Learns what is parked, wherever it is. */
  readonly prepare: () => Promise<void>;
  readonly troubles: Troubles;
  readonly onRebuild: () => void;
  readonly onWarning: (message: string, error?: unknown) => void;
}

/** A fetch that finds nothing returns after this; to leave a group takes as long. */
const MAX_WAIT_MS = 500;
const PARTITION_BYTES = 256 * 1024;
const FETCH_BYTES = 4 * 1024 * 1024;
const PARTITIONS_AT_ONCE = 4;
const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 5_000;
const GOODBYE_MS = 5_000;
/** Written with the offsets of a partition whose owner has ended all that it had begun. */
const CLEAN = 'clean';
const OPEN = 'open';
/** What a commit is told that comes while the group's partitions are given to others. */
const SHARED_OUT_ANEW = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS']);
/** Tries for which it is no trouble that the group's coordinator is about to be there: it has just started, or moved. */
const PATIENCE = 5;

/**
 * One group's consumer, for as long as the replica lives: made anew when kafkajs gives it up, or when it is not heard of any
 * more. Offsets are committed by time, and before partitions are let go of.
 */
export class GroupConsumer {
  private readonly since = Date.now();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private consumer: Consumer | undefined;
  private cluster: Cluster | undefined;
  private endSession: (reason: unknown) => void = () => undefined;
  private joined = false;
  private lastSign = 0;
  private committing: Promise<void> | undefined;
  /** It is told once, until it goes well again. */
  private commitFails = false;

  constructor(private readonly options: GroupConsumerOptions) {}

  private get part(): string {
    return `group ${this.options.group}`;
  }

  start(): void {
    this.running ??= this.keep();
  }

  /** Takes nothing from now on. What is under way goes on. */
  stopTaking(): void {
    this.options.intake.stopTaking();
    if (this.consumer && this.joined) this.pauseAll(this.consumer);
  }

  /** Waits for what is under way, commits, and leaves the group. */
  async stop(): Promise<void> {
    this.stopTaking();
    await this.letGo();
    this.stopping.abort();
    await this.running;
    this.options.troubles.end(this.part);
  }

  /** Parked keys whose time has come: those of the partitions that are had. */
  retryDue(heads: readonly StoredEvent[]): void {
    if (this.stopping.signal.aborted) return;
    this.options.intake.retry(heads.filter((head) => this.has(head)));
  }

  private has(event: StoredEvent): boolean {
    const topic = `${this.options.settings.topicPrefix}${event.topic}`;
    const { cluster, joined, options } = this;
    if (!cluster || !joined || !options.types[topic]) return false;
    const partitions = cluster.findTopicPartitionMetadata(topic).length;
    // What was parked while the group read the log has no partition yet.
    const partition = partitionIn(event) ?? (partitions > 0 ? partitionOf(event.key, partitions) : -1);
    return options.intake.has(topic, partition);
  }

  private async keep(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      const began = performance.now();
      try {
        await this.session();
      } catch (error) {
        if (signal.aborted) return;
        if (performance.now() - began > this.options.settings.sessionTimeoutMs) failures = 0;
        failures += 1;
        if (failures > PATIENCE || !isBecoming(error)) this.options.troubles.begin(this.part, error);
        this.options.onRebuild();
        const wait = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10));
        await pause(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** From joining the group to leaving it. @throws why it ended, if nobody asked for it */
  private async session(): Promise<void> {
    const { types, intake, onWarning } = this.options;
    const over = new AbortController();
    let end: (reason: unknown) => void = () => undefined;
    const ended = new Promise<never>((_, reject) => (end = reject));
    ended.catch(() => undefined);
    this.endSession = end;
    const consumer = this.make(end);
    try {
      await this.unlessStopped(consumer.connect());
      await this.unlessStopped(consumer.subscribe({ topics: Object.keys(types), fromBeginning: true }));
      this.consumer = consumer;
      this.lastSign = performance.now();
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
        eachBatch: async (payload) => {
          try {
            await intake.take(payload);
          } catch (error) {
            onWarning(`${this.part} could not take a batch, which comes again`, error);
          }
        },
      });
      await Promise.race([ended, this.commitAgainAndAgain(over.signal)]);
    } finally {
      over.abort();
      this.consumer = undefined;
      this.cluster = undefined;
      this.joined = false;
      intake.forget();
      await this.leave(consumer);
    }
  }

  private get groupId(): string {
    return `${this.options.settings.topicPrefix}${this.options.group}`;
  }

  private make(end: (reason: unknown) => void): Consumer {
    const { settings, types, intake, troubles, onWarning } = this.options;
    const kafka = kafkaClient(settings, onWarning);
    const consumer = kafka.consumer({
      groupId: this.groupId,
      sessionTimeout: settings.sessionTimeoutMs,
      heartbeatInterval: Math.min(3_000, settings.sessionTimeoutMs / 4),
      rebalanceTimeout: Math.max(settings.sessionTimeoutMs, this.drainMs + 10_000),
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytesPerPartition: PARTITION_BYTES,
      maxBytes: FETCH_BYTES,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        ({ cluster }) => {
          this.drainBeforeJoining(cluster);
          return typesAssigner(cluster, { since: this.since, types });
        },
      ],
      // Whoever gives up is made anew here, with another client.
      retry: { ...CLIENT_RETRIES, restartOnFailure: () => Promise.resolve(false) },
    });
    const sign = (): void => void (this.lastSign = performance.now());
    // Brokers let members in to whom they give nothing to read: it is only well when each of them has answered.
    const answered = new Set<number>();
    consumer.on(consumer.events.FETCH, ({ payload }) => {
      sign();
      answered.add(payload.nodeId);
      if (this.cluster?.getNodeIds().every((id) => answered.has(id))) troubles.end(this.part);
    });
    consumer.on(consumer.events.HEARTBEAT, sign);
    consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.error));
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      const { batchSize, topic, partition, firstOffset, lastOffset } = payload;
      if (batchSize === 0 && firstOffset !== null) {
        intake.passed(topic, partition, BigInt(firstOffset), BigInt(lastOffset));
      }
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      sign();
      intake.assign(payload.memberAssignment, (still) => this.takeUp(kafka, payload.memberAssignment, still));
      this.joined = true;
      if (intake.stopped) this.pauseAll(consumer);
    });
    return consumer;
  }

  /**
   * kafkajs tells of a rebalance, but does not wait for anybody before it joins anew. It does look for the coordinator
   * before it joins, by the cluster that it gives to its assigners: that is where it is held until what is under way has
   * ended and is committed. Others may have the partitions then.
   */
  private drainBeforeJoining(cluster: Cluster): void {
    this.cluster = cluster;
    this.endFetchingWith(cluster);
    const find = cluster.findGroupCoordinator.bind(cluster);
    cluster.findGroupCoordinator = async (group) => {
      if (this.cluster === cluster) await this.letGo();
      return find(group);
    };
  }

  /**
   * When brokers come or go, kafkajs makes its fetchers anew, also where it was told to stop a moment before. Those return at
   * once, again and again, and nothing else runs any more in this process: no timer, no signal. Who knows of no broker makes
   * none.
   */
  private endFetchingWith(cluster: Cluster): void {
    const known = cluster.getNodeIds.bind(cluster);
    cluster.getNodeIds = () => (this.cluster === cluster ? known() : []);
  }

  private get drainMs(): number {
    // Nobody is heard of while it drains: it must be back before the session is over.
    return Math.min(this.options.handlerMs + 1_000, this.options.settings.sessionTimeoutMs / 2);
  }

  /**
   * Learns what the partitions' last owners left behind, and notes that they have one again: were this process to end over
   * what it begins now, the next owner would find the note.
   */
  private async takeUp(
    kafka: Kafka,
    assignment: Readonly<Record<string, readonly number[]>>,
    still: () => boolean,
  ): Promise<void> {
    const { prepare, intake } = this.options;
    await prepare();
    const left = await committedOffsets(kafka, this.groupId, Object.keys(assignment));
    if (!still()) return;
    for (const { topic, partition, offset, metadata } of left) {
      intake.begin(topic, partition, offset, metadata === OPEN);
    }
    await this.commit(() => intake.committable(true), OPEN);
  }

  /**
   * Commits once for each time it joined: a join that is overtaken by the next is begun anew, and what is committed in
   * between would go under a generation that is over.
   */
  private async letGo(): Promise<void> {
    const ended = await this.options.intake.drain(this.drainMs);
    // Whoever stops while the group is joined anew may not leave before that commit is through.
    if (!this.joined) return this.committing;
    this.joined = false;
    await this.commit(() => this.options.intake.committable(true), ended ? CLEAN : OPEN);
  }

  private async commitAgainAndAgain(signal: AbortSignal): Promise<void> {
    const { commitIntervalMs, sessionTimeoutMs } = this.options.settings;
    const both = AbortSignal.any([signal, this.stopping.signal]);
    while (!both.aborted) {
      await pause(commitIntervalMs, undefined, { signal: both }).catch(() => undefined);
      if (both.aborted) return;
      await this.commit(() => this.options.intake.committable(), OPEN);
      const silent = performance.now() - this.lastSign;
      if (silent > sessionTimeoutMs * 2) {
        throw new Error(`the consumer was not heard of for ${Math.round(silent)} ms`);
      }
    }
  }

  /** One at a time; what fails is committed with the next one, or read again by whoever has the partition then. */
  private async commit(of: () => CommittableOffset[], metadata: string): Promise<void> {
    const before = this.committing;
    this.committing = (async () => {
      await before;
      await this.commitNow(of(), metadata);
    })();
    await this.committing;
  }

  private async commitNow(offsets: readonly CommittableOffset[], metadata: string): Promise<void> {
    const { intake, onWarning } = this.options;
    const { consumer } = this;
    if (offsets.length === 0 || !consumer) return;
    try {
      await consumer.commitOffsets(offsets.map((one) => ({ ...one, metadata })));
      intake.committed(offsets);
      this.commitFails = false;
    } catch (error) {
      const code = protocolErrorOf(error);
      // The group is being shared out anew: on leaving a session what is dealt with is committed before.
      if (metadata === OPEN && code !== undefined && SHARED_OUT_ANEW.has(code)) return;
      if (!this.commitFails) onWarning(`offsets of ${this.part} could not be committed`, error);
      this.commitFails = true;
      if (code !== 'UNKNOWN_TOPIC_OR_PARTITION') return;
      // What is made under the name of a topic that is gone begins anew: offsets of the old one would skip its messages.
      intake.forget();
      // Partitions that are forgotten are not taken from, so they have to be given again, whether or not a fetch fails, too.
      this.endSession(error);
    }
  }

  /** kafkajs goes on trying for a while; nobody waits for that any more. */
  private async unlessStopped(work: Promise<void>): Promise<void> {
    const { signal } = this.stopping;
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    signal.addEventListener('abort', stop);
    try {
      if (!signal.aborted) await Promise.race([work, stopped]);
      if (signal.aborted) throw new Error('stopped');
    } finally {
      signal.removeEventListener('abort', stop);
      work.catch(() => undefined);
    }
  }

  private pauseAll(consumer: Consumer): void {
    const topics = Object.keys(this.options.types);
    try {
      consumer.pause(topics.map((topic) => ({ topic })));
    } catch (error) {
      this.options.onWarning(`${this.part} could not be paused, and is stopped all the same`, error);
    }
  }

  private async leave(consumer: Consumer): Promise<void> {
    const over = new AbortController();
    const left = consumer.disconnect().catch((error: unknown) => {
      this.options.onWarning(`${this.part} could not leave in order`, error);
    });
    await Promise.race([left, pause(GOODBYE_MS, undefined, { signal: over.signal }).catch(() => undefined)]);
    over.abort();
  }
}
