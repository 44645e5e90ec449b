import type { KafkaConfig } from 'kafkajs';

/** Where the events of a site travel by Kafka instead of being read from the logs by their handlers. */
export interface KafkaOptions {
  /** `host:port` of some brokers; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Name of this site in the brokers' logs and quotas. @default 'rookery' */
  readonly clientId?: string;
  /** Before the name of each topic and consumer group, so that two sites share a cluster. @default '' */
  readonly topicPrefix?: string;
  /** `source` of the CloudEvents this site publishes: a URI reference. @default `/${clientId}` */
  readonly source?: string;
  /** TLS, as Node's `tls.connect` takes it. @default false */
  readonly ssl?: KafkaConfig['ssl'];
  /** @default no authentication */
  readonly sasl?: KafkaConfig['sasl'];
  /** Copies of a topic that is made. @default the brokers' own setting */
  readonly replicationFactor?: number;
  /** Milliseconds of silence after which a replica's partitions go to others. @default 10000 */
  readonly sessionTimeoutMs?: number;
  /** Milliseconds between two commits of offsets. @default 500 */
  readonly commitIntervalMs?: number;
  /** Most bytes that are sent at once; below `max.message.bytes` of the topics. @default 524288 */
  readonly maxBatchBytes?: number;
  /** Milliseconds a request to a broker may take. @default 10000 */
  readonly requestTimeoutMs?: number;
}

export interface KafkaSettings extends Required<Omit<KafkaOptions, 'ssl' | 'sasl'>> {
  readonly ssl: KafkaConfig['ssl'];
  readonly sasl: KafkaConfig['sasl'];
}

export function settledKafka(options: KafkaOptions): KafkaSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return {
    clientId: 'rookery',
    topicPrefix: '',
    source: `/${options.clientId ?? 'rookery'}`,
    ssl: false,
    sasl: undefined,
    replicationFactor: -1,
    sessionTimeoutMs: 10_000,
    commitIntervalMs: 500,
    maxBatchBytes: 512 * 1024,
    requestTimeoutMs: 10_000,
    ...(given as unknown as KafkaOptions),
  };
}
