import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { embeddedDatabaseNames, holdEmbeddedPostgres, type EmbeddedServer } from '@rookery/devstack';
import {
  startEtcd,
  startKafka,
  startRedis,
  type Etcd,
  type Keepable,
  type KafkaCluster,
  type Redis,
} from '@rookery/devstack/servers';
import type { ClusterOptions } from './cluster.options.js';

/** What the replicas stand on. */
export interface BackingServers {
  readonly postgres: EmbeddedServer;
  /** In the order of the shards. */
  readonly shardUrls: readonly string[];
  readonly etcd: Etcd;
  readonly kafka: KafkaCluster | undefined;
  readonly redis: Redis | undefined;
  /** Those that this process keeps running, by name. */
  readonly keepable: Readonly<Record<string, Keepable>>;
  /** What each replica is told of them. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export interface BackingOptions extends Pick<ClusterOptions, 'shards' | 'kafka' | 'redis'> {
  /** Folder of the data. */
  readonly folder: string;
  readonly kafkaJars: string;
  /** Connections that PostgreSQL takes. */
  readonly maxConnections: number;
  /** URLs of shards that are on servers of their own, by their place from 0 on; the others are on the embedded one. */
  readonly otherShards?: Readonly<Record<number, string>> | undefined;
}

/** Starts them all at once. What was started before a failure is stopped again. */
export async function startBackingServers(options: BackingOptions): Promise<BackingServers> {
  const { shards, folder, maxConnections, otherShards = {} } = options;
  const [postgres, etcd, kafka, redis, secret] = await allOrNone([
    holdEmbeddedPostgres({
      dataDir: folder,
      databases: embeddedDatabaseNames(shards, 'conduit'),
      settings: { max_connections: String(maxConnections) },
    }),
    startEtcd(),
    options.kafka ? startKafka({ jars: options.kafkaJars, keepIn: join(folder, 'kafka') }) : undefined,
    options.redis ? startRedis() : undefined,
    secretIn(folder),
  ]);
  const shardUrls = postgres.urls.map((url, at) => otherShards[at] ?? url);
  return {
    postgres,
    shardUrls,
    etcd,
    kafka,
    redis,
    keepable: { etcd, ...(kafka && { kafka: kafka.keepable(0) }), ...(redis && { redis }) },
    environment: {
      SHARD_URLS: shardUrls.join(','),
      ETCD_ENDPOINTS: etcd.endpoint,
      JWT_SECRET_FILE: secret,
      ...(kafka && { KAFKA_BROKERS: kafka.brokers.join(',') }),
      ...(redis && { REDIS_URL: redis.url }),
    },
    stop: async () => {
      await kafka?.stop();
      await Promise.all([redis?.close(), etcd.close()]);
      await postgres.release();
    },
  };
}

/** The file of the key that signs tokens: made once, so that they outlive a restart. */
async function secretIn(folder: string): Promise<string> {
  const file = join(folder, 'jwt-secret');
  await mkdir(folder, { recursive: true });
  const made = randomBytes(48).toString('base64url');
  await writeFile(file, made, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  if ((await readFile(file, 'utf8')).trim().length < 32) throw new Error(`${file} holds no key: remove it`);
  return file;
}

interface Endable {
  release?: () => Promise<void>;
  close?: () => Promise<void>;
  stop?: () => Promise<void>;
}

/** @throws the first failure, when what the others have started is gone */
async function allOrNone<T extends readonly unknown[]>(
  starting: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const outcomes = await Promise.allSettled(starting);
  const failure = outcomes.find(({ status }) => status === 'rejected');
  if (failure?.status !== 'rejected')
    return outcomes.map((one) => (one.status === 'fulfilled' ? one.value : undefined)) as never;
  const started = outcomes.flatMap((one) =>
    one.status === 'fulfilled' ? [one.value as Endable | undefined] : [],
  );
  const endings = started.map(async (one) => (one?.release ?? one?.close ?? one?.stop)?.call(one));
  await Promise.allSettled(endings);
  throw failure.reason;
}
