import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigFault } from './config-fault.js';
import { loadConfig } from './config.js';

function faultsOf(environment: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(environment, true);
  } catch (error) {
    if (error instanceof ConfigFault) return error.faults;
    throw error;
  }
  return [];
}

describe('gRPC', () => {
  const tls = { GRPC_TLS_CERT: 'a.crt', GRPC_TLS_KEY: 'a.key', GRPC_TLS_CA: 'ca.crt' };

  it('is served where its port is given, by TLS where its files are', () => {
    expect(loadConfig({ ...tls, GRPC_HOST: '10.0.0.1' }, true).grpc).toBeUndefined();
    expect(loadConfig({ GRPC_PORT: '0' }, true).grpc).toEqual({ host: '127.0.0.1', port: 0, tls: undefined });
    expect(loadConfig({ GRPC_PORT: '50051', ...tls }, true).grpc?.tls).toEqual({
      certFile: 'a.crt',
      keyFile: 'a.key',
      caFile: 'ca.crt',
    });
  });

  it('is not served half secured', () => {
    const fault = 'expected GRPC_TLS_CERT and GRPC_TLS_KEY together, and both beside GRPC_TLS_CA';
    expect(faultsOf({ GRPC_TLS_CA: 'ca.crt' })).toEqual([
      `GRPC_TLS_CERT: ${fault}`,
      `GRPC_TLS_KEY: ${fault}`,
    ]);
    expect(faultsOf({ GRPC_TLS_CERT: 'a.crt' })).toEqual([`GRPC_TLS_KEY: ${fault}`]);
  });
});

describe('the registry', () => {
  it('is not used, or at these members', () => {
    expect(loadConfig({}, true)).toMatchObject({ etcdEndpoints: undefined, advertiseHost: undefined });
    expect(
      loadConfig({ ETCD_ENDPOINTS: 'a:2379, https://b:2379', ADVERTISE_HOST: '10.0.0.1' }, true),
    ).toMatchObject({ etcdEndpoints: ['a:2379', 'https://b:2379'], advertiseHost: '10.0.0.1' });
  });

  it('takes only ids and addresses that it can hand on', () => {
    const given = { ETCD_ENDPOINTS: 'etcd', ADVERTISE_HOST: 'web:3000' };
    expect(faultsOf(given).map((fault) => fault.split(':')[0])).toEqual(Object.keys(given));
    expect(faultsOf({ ETCD_ENDPOINTS: 'a:2379', REPLICA_ID: 'web 1' })).toHaveLength(1);
    expect(faultsOf({ REPLICA_ID: 'web 1' })).toEqual([]);
  });
});

describe('the configuration', () => {
  it('needs nothing in development', () => {
    expect(loadConfig({}, true)).toMatchObject({
      production: false,
      host: '127.0.0.1',
      port: 3000,
      opsPort: 3001,
      dataDir: '.rookery',
      shardUrls: undefined,
      embeddedShards: 2,
      migrateAtStart: true,
      drainDelayMs: 0,
      requestDeadlineMs: 5_000,
      poolMax: 10,
      workers: 1,
      logFormat: 'pretty',
      kafkaBrokers: undefined,
      kafkaTopicPrefix: '',
      redisUrl: undefined,
      cacheNamespace: 'conduit',
      cache: true,
      cacheMaxMb: 64,
      readAfterWriteMs: 250,
      removalTimeoutMs: 60_000,
      feedFanOutMax: 1_000,
    });
  });

  it('logs JSON where nobody looks at a terminal', () => {
    expect(loadConfig({}, false).logFormat).toBe('ecs');
    expect(loadConfig({ LOG_FORMAT: 'pretty' }, false).logFormat).toBe('pretty');
  });

  it('refuses to run in production without keys and databases, and says both at once', () => {
    expect(faultsOf({ NODE_ENV: 'production' })).toEqual([
      'JWT_KEYS_FILE: expected a file of signing keys, or JWT_SECRET, in production',
      'SHARD_URLS: expected the PostgreSQL URLs of the shards in production',
    ]);
  });

  it('reports all faults together, by name, with what was expected', () => {
    const faults = faultsOf({
      PORT: 'seventy',
      EMBEDDED_SHARDS: '0',
      SHARD_URLS: 'mysql://x/y',
      LOG_LEVEL: 'loud',
    });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'PORT',
      'SHARD_URLS',
      'EMBEDDED_SHARDS',
      'LOG_LEVEL',
    ]);
    expect(faults[0]).toContain('not "seventy"');
  });

  it('never shows a secret', () => {
    const faults = faultsOf({ SHARD_URLS: 'mysql://me:hunter2@x/y', JWT_SECRET: 'short-secret' }).join();
    expect(faults).not.toContain('hunter2');
    expect(faults).not.toContain('short-secret');
  });

  it('takes an empty variable as one that is not set', () => {
    expect(loadConfig({ PORT: '', SHARD_URLS: '' }, true).port).toBe(3000);
  });

  it('does not migrate databases that were given, unless told to', () => {
    expect(loadConfig({ SHARD_URLS: 'postgres://h/a,postgres://h/b' }, true)).toMatchObject({
      shardUrls: ['postgres://h/a', 'postgres://h/b'],
      migrateAtStart: false,
    });
    expect(loadConfig({ SHARD_URLS: 'postgres://h/a', MIGRATIONS: 'auto' }, true).migrateAtStart).toBe(true);
  });

  it('takes one address for a Redis, and several for a cluster', () => {
    expect(loadConfig({ REDIS_URL: 'redis://a:1' }, true).redisUrl).toBe('redis://a:1');
    expect(loadConfig({ REDIS_URL: 'redis://a:1, redis://b:1' }, true).redisUrl).toEqual([
      'redis://a:1',
      'redis://b:1',
    ]);
    expect(faultsOf({ REDIS_URL: 'http://a' })[0]).toContain('redis://');
  });

  it('takes brokers as host:port', () => {
    expect(loadConfig({ KAFKA_BROKERS: 'k1:9092, k2:9092' }, true).kafkaBrokers).toEqual([
      'k1:9092',
      'k2:9092',
    ]);
    expect(faultsOf({ KAFKA_BROKERS: 'kafka://k1' })[0]).toContain('expected addresses as host:port');
  });

  it('reads secrets from files, and says which it cannot read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'conduit-config-'));
    try {
      const file = join(folder, 'secret');
      writeFileSync(file, `${'s'.repeat(40)}\n`);
      expect(loadConfig({ JWT_SECRET_FILE: file }, true).jwtSecret).toBe('s'.repeat(40));
      expect(faultsOf({ JWT_SECRET_FILE: join(folder, 'none') })).toEqual([
        `JWT_SECRET_FILE: cannot read ${join(folder, 'none')} (ENOENT)`,
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
