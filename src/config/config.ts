import { hostname } from 'node:os';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigFault } from './config-fault.js';

const port = z.coerce.number().int().min(0).max(65535);
const milliseconds = z.coerce.number().int().min(0);
const url = (protocols: readonly string[]) =>
  z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    error: `expected a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const hostAndPort = z
  .string()
  .regex(/^[^\s:/,]+:\d{1,5}$/, { error: 'expected addresses as host:port, with commas between' });
const etcdMember = z.string().regex(/^(https?:\/\/)?[^\s:/,]+:\d{1,5}$/, {
  error: 'expected addresses as host:port, with or without http:// or https://, with commas between',
});
const postgresUrl = url(['postgres:', 'postgresql:']);

const schema = z
  .object({
    NODE_ENV: z.enum(['development', 'production', 'test']).default('development'),
    HOST: z.string().min(1).default('127.0.0.1'),
    PORT: port.default(3000),
    OPS_HOST: z.string().min(1).default('127.0.0.1'),
    OPS_PORT: port.default(3001),
    DATA_DIR: z.string().min(1).default('.rookery'),
    SHARD_URLS: list.pipe(z.array(postgresUrl).min(1)).optional(),
    CONTROL_URL: postgresUrl.optional(),
    EMBEDDED_SHARDS: z.coerce.number().int().min(1).max(64).default(2),
    MIGRATIONS: z.enum(['auto', 'check']).optional(),
    PGBOUNCER: z.enum(['true', 'false']).default('false'),
    JWT_KEYS_FILE: z.string().min(1).optional(),
    JWT_SECRET: z.string().min(32, { error: 'expected at least 32 characters' }).optional(),
    CORS_ORIGINS: list.default([]),
    TRUST_PROXY: z.enum(['true', 'false']).default('false'),
    REPLICA_ID: z.string().min(1).max(128).optional(),
    LOG_LEVEL: z.enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
    LOG_FORMAT: z.enum(['ecs', 'pretty']).optional(),
    DRAIN_DELAY_MS: milliseconds.max(120_000).optional(),
    REQUEST_DEADLINE_MS: milliseconds.min(50).max(300_000).default(5_000),
    WORKERS: z.coerce.number().int().min(1).max(256).default(1),
    POOL_MAX: z.coerce.number().int().min(1).max(1_000).default(10),
    KAFKA_BROKERS: list.pipe(z.array(hostAndPort).min(1)).optional(),
    KAFKA_TOPIC_PREFIX: z
      .string()
      .regex(/^[A-Za-z0-9._-]{0,100}$/, { error: 'expected letters, digits, dots and dashes' })
      .default(''),
    REDIS_URL: list.pipe(z.array(url(['redis:', 'rediss:'])).min(1)).optional(),
    CACHE_NAMESPACE: z
      .string()
      .regex(/^[\w-]{1,64}$/, { error: 'expected letters, digits, dashes and underscores' })
      .default('conduit'),
    CACHE: z.enum(['on', 'off']).default('on'),
    CACHE_MAX_MB: z.coerce.number().int().min(1).max(65_536).default(64),
    ETCD_ENDPOINTS: list.pipe(z.array(etcdMember).min(1)).optional(),
    ADVERTISE_HOST: z
      .string()
      .regex(/^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$/, {
        error: 'expected a host without a port, one of IPv6 in brackets',
      })
      .optional(),
    GRPC_HOST: z.string().min(1).default('127.0.0.1'),
    GRPC_PORT: port.optional(),
    GRPC_TLS_CERT: z.string().min(1).optional(),
    GRPC_TLS_KEY: z.string().min(1).optional(),
    GRPC_TLS_CA: z.string().min(1).optional(),
    READ_AFTER_WRITE_MS: milliseconds.max(60_000).default(250),
    REMOVAL_TIMEOUT_MS: milliseconds.min(1).max(3_600_000).default(60_000),
    FEED_FAN_OUT_MAX: z.coerce.number().int().min(0).max(10_000).default(1_000),
  })
  .superRefine((env, context) => {
    for (const name of grpcFaults(env)) {
      context.addIssue({
        code: 'custom',
        path: [name],
        message: 'expected GRPC_TLS_CERT and GRPC_TLS_KEY together, and both beside GRPC_TLS_CA',
      });
    }
    if (env.ETCD_ENDPOINTS && env.REPLICA_ID && !/^[A-Za-z0-9][A-Za-z0-9._:-]*$/.test(env.REPLICA_ID)) {
      context.addIssue({
        code: 'custom',
        path: ['REPLICA_ID'],
        message: 'expected letters, digits, dots, colons and dashes, as the registry takes them',
      });
    }
    if (env.NODE_ENV !== 'production') return;
    if (!env.JWT_KEYS_FILE && !env.JWT_SECRET) {
      context.addIssue({
        code: 'custom',
        path: ['JWT_KEYS_FILE'],
        message: 'expected a file of signing keys, or JWT_SECRET, in production',
      });
    }
    if (!env.SHARD_URLS) {
      context.addIssue({
        code: 'custom',
        path: ['SHARD_URLS'],
        message: 'expected the PostgreSQL URLs of the shards in production',
      });
    }
  });

/** Where other services call the site, and the files (PEM) by which each knows the other. */
export interface GrpcConfig {
  readonly host: string;
  readonly port: number;
  /** With `caFile`: callers need a certificate of that authority. `undefined`: plain text. */
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string } | undefined;
}

interface GrpcVariables {
  readonly GRPC_HOST: string;
  readonly GRPC_PORT?: number | undefined;
  readonly GRPC_TLS_CERT?: string | undefined;
  readonly GRPC_TLS_KEY?: string | undefined;
  readonly GRPC_TLS_CA?: string | undefined;
}

/** Everything the site takes from its surroundings, checked. */
export interface Config {
  readonly production: boolean;
  readonly host: string;
  readonly port: number;
  readonly opsHost: string;
  readonly opsPort: number;
  readonly dataDir: string;
  /** `undefined`: embedded PostgreSQL. */
  readonly shardUrls: readonly string[] | undefined;
  readonly controlUrl: string | undefined;
  readonly embeddedShards: number;
  /** Whether the site brings the schema up to date itself when it starts. */
  readonly migrateAtStart: boolean;
  /** False behind PgBouncer in transaction mode. */
  readonly sessionState: boolean;
  readonly jwtKeysFile: string | undefined;
  readonly jwtSecret: string | undefined;
  readonly corsOrigins: readonly string[];
  readonly trustProxy: boolean;
  readonly replicaId: string;
  readonly logLevel: 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
  readonly logFormat: 'ecs' | 'pretty';
  readonly drainDelayMs: number;
  readonly requestDeadlineMs: number;
  readonly poolMax: number;
  /** Processes that share the port. */
  readonly workers: number;
  /** `host:port` of each; `undefined`: events are read from the logs of the shards. */
  readonly kafkaBrokers: readonly string[] | undefined;
  /** Before the name of each topic and consumer group, so that two sites share a cluster. */
  readonly kafkaTopicPrefix: string;
  /** One server, or addresses of one Redis Cluster; `undefined`: answers are kept in this process's memory only. */
  readonly redisUrl: string | readonly string[] | undefined;
  /** Whether answers are cached. */
  readonly cache: boolean;
  /** What its entries in Redis begin with, so that two sites share a server. */
  readonly cacheNamespace: string;
  /** MiB that answers in memory may take. */
  readonly cacheMaxMb: number;
  /** `host:port` of each member; `undefined`: the replica does not register itself. */
  readonly etcdEndpoints: readonly string[] | undefined;
  /** The host by which others reach this replica; `undefined`: the one it listens on. */
  readonly advertiseHost: string | undefined;
  /** `undefined`: not served. */
  readonly grpc: GrpcConfig | undefined;
  /** Longest that the answer to a write waits for what its readers would miss. */
  readonly readAfterWriteMs: number;
  /** Without news of an article's removal for so long, what has not confirmed is asked again. */
  readonly removalTimeoutMs: number;
  /** Followers up to which an article is written into each one's feed. */
  readonly feedFanOutMax: number;
}

/** Variables that may come from a file instead: `JWT_SECRET_FILE` names one that holds `JWT_SECRET`. */
const SECRETS = ['JWT_SECRET', 'SHARD_URLS', 'CONTROL_URL', 'REDIS_URL'] as const;

/**
 * Reads the environment. This is the only place that does.
 * @throws ConfigFault that names every variable at fault and what was expected
 */
export function loadConfig(
  environment: NodeJS.ProcessEnv = process.env,
  terminal = Boolean(process.stdout.isTTY),
): Config {
  const faults: string[] = [];
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  for (const name of SECRETS) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    try {
      given[name] = readFileSync(file, 'utf8').trim();
    } catch (error) {
      faults.push(
        `${name}_FILE: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      );
    }
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) faults.push(describe(issue, given));
  }
  if (faults.length > 0 || !parsed.success) throw new ConfigFault(faults);
  const env = parsed.data;
  const production = env.NODE_ENV === 'production';
  return {
    production,
    host: env.HOST,
    port: env.PORT,
    opsHost: env.OPS_HOST,
    opsPort: env.OPS_PORT,
    dataDir: env.DATA_DIR,
    shardUrls: env.SHARD_URLS,
    controlUrl: env.CONTROL_URL,
    embeddedShards: env.EMBEDDED_SHARDS,
    migrateAtStart: env.MIGRATIONS ? env.MIGRATIONS === 'auto' : env.SHARD_URLS === undefined,
    sessionState: env.PGBOUNCER === 'false',
    jwtKeysFile: env.JWT_KEYS_FILE,
    jwtSecret: env.JWT_SECRET,
    corsOrigins: env.CORS_ORIGINS,
    trustProxy: env.TRUST_PROXY === 'true',
    replicaId: env.REPLICA_ID ?? `${hostname()}-${process.pid}`,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT ?? (production || !terminal ? 'ecs' : 'pretty'),
    drainDelayMs: env.DRAIN_DELAY_MS ?? (production ? 5_000 : 0),
    requestDeadlineMs: env.REQUEST_DEADLINE_MS,
    poolMax: env.POOL_MAX,
    workers: env.WORKERS,
    kafkaBrokers: env.KAFKA_BROKERS,
    kafkaTopicPrefix: env.KAFKA_TOPIC_PREFIX,
    redisUrl: env.REDIS_URL?.length === 1 ? env.REDIS_URL[0] : env.REDIS_URL,
    cacheNamespace: env.CACHE_NAMESPACE,
    cache: env.CACHE === 'on',
    cacheMaxMb: env.CACHE_MAX_MB,
    etcdEndpoints: env.ETCD_ENDPOINTS,
    advertiseHost: env.ADVERTISE_HOST,
    grpc: grpcOf(env),
    readAfterWriteMs: env.READ_AFTER_WRITE_MS,
    removalTimeoutMs: env.REMOVAL_TIMEOUT_MS,
    feedFanOutMax: env.FEED_FAN_OUT_MAX,
  };
}

/** Names of variables that are missing beside others. */
function grpcFaults({ GRPC_TLS_CERT: cert, GRPC_TLS_KEY: key, GRPC_TLS_CA: ca }: GrpcVariables): string[] {
  if (cert === undefined && key === undefined && ca === undefined) return [];
  return [...(cert === undefined ? ['GRPC_TLS_CERT'] : []), ...(key === undefined ? ['GRPC_TLS_KEY'] : [])];
}

function grpcOf(env: GrpcVariables): GrpcConfig | undefined {
  const {
    GRPC_HOST: host,
    GRPC_PORT,
    GRPC_TLS_CERT: certFile,
    GRPC_TLS_KEY: keyFile,
    GRPC_TLS_CA: caFile,
  } = env;
  if (GRPC_PORT === undefined) return undefined;
  const tls = certFile && keyFile ? { certFile, keyFile, ...(caFile ? { caFile } : {}) } : undefined;
  return { host, port: GRPC_PORT, tls };
}

function describe(issue: z.core.$ZodIssue, given: Readonly<Record<string, string | undefined>>): string {
  const name = String(issue.path[0] ?? 'environment');
  const value = given[name];
  const secret = /SECRET|URL|KEY/.test(name);
  const shown = value === undefined ? '' : secret ? ' (value not shown)' : `, not "${value}"`;
  return `${name}: ${issue.message.replace(/^Invalid (input|option): /, '')}${shown}`;
}
