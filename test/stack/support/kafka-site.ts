import { startKafka, testDatabases, type KafkaCluster } from '@rookery/devstack/testing';
import { ensureTopics, eventsSchema, type Events, type KafkaOptions } from '@rookery/events';
import {
  handling,
  handlingMany,
  record,
  recorded,
  recorderSchema,
  testEvents,
  type TestHandler,
  untilSeen,
  verdictOn,
  type Verdict,
} from '@rookery/events/testing';
import type { Shards } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import kafkajs, { Kafka, logLevel, type AclEntry, type Admin } from 'kafkajs';
import { kafkaJars } from '../../../scripts/system-programs.mjs';

// Of what this CommonJS module exports, Node finds only the first names for itself.
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

export const NOTHING_WRONG = { lost: 0, duplicated: 0, inverted: 0 };

/** The recorder's two groups: one takes events one by one, the other in batches. */
export const RECORDERS: readonly TestHandler[] = [
  handling(recorded, { group: 'one' }, record.one('one')),
  handlingMany(recorded, { group: 'many' }, record.many('many')),
];

/** Two virtual machines start one after the other, beside another suite's. */
const START_LIMIT_MS = 100_000;

export const testKafka = (properties: Readonly<Record<string, string>> = {}): Promise<KafkaCluster> =>
  startKafka({ jars: kafkaJars(), properties, startTimeoutMs: START_LIMIT_MS });

/** What a broker that is busy may take for what a test's set-up asks of it. */
const PATIENCE_MS = 30_000;

/** With them brokers ask rules whether a client may do what it wants; without a rule for a thing, it may. */
export const WITH_RULES = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
};

/** What brokers WITH_RULES can refuse a site; all else of that topic or group stays allowed. */
export type Refusal = 'writing' | 'reading' | 'the groups' | 'the topic';

/** `kafka: undefined` is a replica that reads the log. */
type Options = Omit<NonNullable<Parameters<typeof testEvents>[2]>, 'kafka'> & { kafka?: undefined };

export interface ParkedRow {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly code: string | null;
  readonly state: string;
  /** In base64. */
  readonly payload: string;
  readonly position: string;
}

let sites = 0;

/** Two shards, some replicas, and topics of its own in a cluster that others use, too. */
export class KafkaSite {
  readonly warnings: string[] = [];
  private started = 0;
  private readonly replicas: { readonly events: Events; readonly shards: Shards }[] = [];

  private constructor(
    readonly databases: TestShards,
    readonly kafka: KafkaOptions,
  ) {}

  static async make(brokers: readonly string[], more: Partial<KafkaOptions> = {}): Promise<KafkaSite> {
    const databases = await testShards({
      databases: testDatabases,
      migrations: [...eventsSchema, recorderSchema],
      poolMax: 16,
    });
    sites += 1;
    return new KafkaSite(databases, {
      brokers,
      topicPrefix: `site-${sites}.`,
      sessionTimeoutMs: 6_000,
      ...more,
    });
  }

  get shards(): Shards {
    return this.databases.shards;
  }

  async createTopics(): Promise<void> {
    await ensureTopics([recorded], { ...this.kafka, requestTimeoutMs: PATIENCE_MS }, { create: true });
  }

  async deleteTopic(): Promise<void> {
    await this.withAdmin((admin) => admin.deleteTopics({ topics: [this.topic], timeout: PATIENCE_MS }));
  }

  /** How many messages each partition has taken. */
  async offsets(): Promise<number[]> {
    const partitions = await this.withAdmin((admin) => admin.fetchTopicOffsets(this.topic));
    return partitions.map(({ high }) => Number(high));
  }

  /** From now on brokers `WITH_RULES` refuse the site this. */
  async refuse(what: Refusal): Promise<void> {
    const topic = { resourceType: AclResourceTypes.TOPIC, resourceName: this.topic };
    const groups = ['one', 'many'].map((group) => ({
      resourceType: AclResourceTypes.GROUP,
      resourceName: `${this.kafka.topicPrefix}${group}`,
    }));
    const operation = {
      writing: AclOperationTypes.WRITE,
      reading: AclOperationTypes.READ,
      'the groups': AclOperationTypes.READ,
      'the topic': AclOperationTypes.ALL,
    }[what];
    const anybody = {
      principal: 'User:ANONYMOUS',
      host: '*',
      resourcePatternType: ResourcePatternTypes.LITERAL,
    };
    // A first rule for a thing ends that all of it is allowed without one.
    const rules = (what === 'the groups' ? groups : [topic]).flatMap((thing): AclEntry[] => [
      { ...anybody, ...thing, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW },
      { ...anybody, ...thing, operation, permissionType: AclPermissionTypes.DENY },
    ]);
    await this.withAdmin((admin) => admin.createAcls({ acl: rules }));
  }

  /** Takes all rules of the cluster back. */
  async allow(): Promise<void> {
    const all = {
      resourceType: AclResourceTypes.ANY,
      resourcePatternType: ResourcePatternTypes.ANY,
      operation: AclOperationTypes.ANY,
      permissionType: AclPermissionTypes.ANY,
    };
    await this.withAdmin((admin) => admin.deleteAcls({ filters: [all] }));
  }

  private get topic(): string {
    return `${this.kafka.topicPrefix}${recorded.topic.name}`;
  }

  private async withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = new Kafka({
      brokers: [...this.kafka.brokers],
      connectionTimeout: PATIENCE_MS,
      logLevel: logLevel.NOTHING,
    }).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  /** Starts a replica. The first one is where the load is written. */
  async replica(options: Options = {}, handlers: readonly TestHandler[] = RECORDERS): Promise<Events> {
    const shards = this.started === 0 ? this.shards : await this.databases.another();
    this.started += 1;
    const onWarning = (message: string, error?: unknown): void => {
      this.warnings.push(error instanceof Error ? `${message}: ${error.message}` : message);
    };
    const { kafka = 'kafka' in options ? undefined : this.kafka, ...more } = options;
    const events = testEvents(shards, handlers, {
      ...(kafka ? { kafka } : {}),
      pollMs: 100,
      onWarning,
      ...more,
    });
    this.replicas.push({ events, shards });
    await events.start();
    return events;
  }

  /** What a group has made of all that stands. */
  async verdict(group: string, limitMs = 40_000): Promise<Verdict> {
    await untilSeen(this.shards, group, limitMs);
    return verdictOn(this.shards, group);
  }

  /** What of a group is parked, in the order it came. */
  async parked(group: string): Promise<ParkedRow[]> {
    const rows = await this.shards.scatter<ParkedRow>({
      text: `SELECT id, key, type, code, state, encode(payload, 'base64') AS payload, position FROM rookery_parked
             WHERE grp = $1 AND state <> 'skipped' ORDER BY place`,
      values: [group],
    });
    return rows.flat();
  }

  async stop(events: Events): Promise<void> {
    const at = this.replicas.findIndex((one) => one.events === events);
    const [replica] = this.replicas.splice(at, 1);
    await replica!.events.stop();
    if (replica!.shards !== this.shards) await replica!.shards.close();
  }

  async close(): Promise<void> {
    for (const { events } of [...this.replicas]) await this.stop(events);
    await this.databases.close();
  }
}
