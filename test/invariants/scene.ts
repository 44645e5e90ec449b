import type { KafkaCluster } from '@rookery/devstack/testing';
import type { Misbehaviour, RunningLoad } from '@rookery/events/testing';
import type { FaultyLink } from '@rookery/sharding/testing';
import type { PostgresSite } from './postgres-site.js';
import type { ReplicaPool } from './replica-pool.js';
import type { ReplicaProcess, ReplicaSetup } from './replica-process.js';

export interface SceneParts {
  readonly postgres: PostgresSite;
  /** Of the shards, directly. */
  readonly urls: readonly string[];
  /** Between replicas and shards. */
  readonly links: readonly FaultyLink[];
  readonly kafka: KafkaCluster | undefined;
  readonly processes: ReplicaPool;
  readonly setup: ReplicaSetup;
  /** Milliseconds after which others have all that a silent replica had. */
  readonly takenOverMs: number;
  /** Milliseconds for which a transaction is held open. */
  readonly openTransactionMs: number;
}

/** What a fault has before it: a site of some replicas under load, and all that it stands on. */
export class Scene {
  load!: RunningLoad;
  readonly replicas: ReplicaProcess[] = [];
  private wrong: Misbehaviour = {};

  constructor(readonly parts: SceneParts) {}

  get kafka(): KafkaCluster {
    if (!this.parts.kafka) throw new Error('this fault is one of Kafka');
    return this.parts.kafka;
  }

  async startReplica(): Promise<ReplicaProcess> {
    const replica = await this.parts.processes.take(this.parts.setup);
    this.replicas.push(replica);
    await replica.misbehave(this.wrong);
    return replica;
  }

  /** Forgets a replica that has been ended. */
  gone(replica: ReplicaProcess): void {
    this.replicas.splice(this.replicas.indexOf(replica), 1);
  }

  /** Tells all replicas, and those that are started later. Resolves when they know. */
  async misbehave(wrong: Misbehaviour): Promise<void> {
    this.wrong = wrong;
    await Promise.all(this.replicas.map((replica) => replica.misbehave(wrong)));
  }

  /** Kills every replica. */
  async killAll(): Promise<void> {
    await Promise.all(this.replicas.splice(0).map((replica) => replica.kill()));
  }

  /** Stops every replica in order. @throws where one does not */
  async end(): Promise<void> {
    await Promise.all(this.replicas.splice(0).map((replica) => this.parts.processes.giveBack(replica)));
  }
}
