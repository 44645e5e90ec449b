export type { KafkaOptions } from '../kafka/kafka.options.js';
export { startKafka, type KafkaCluster } from '../kafka/start-kafka.js';
export { freePorts } from '../kafka/free-ports.js';
export { startEtcd, type Etcd } from '../servers/start-etcd.js';
export {
  startHaproxy,
  startNginx,
  type Proxy,
  type ProxyOptions,
  type ProxyPlace,
} from '../servers/start-proxies.js';
export { startRedis, type Redis, type RedisOptions } from '../servers/start-redis.js';
export {
  startRedisCluster,
  type RedisCluster,
  type RedisClusterOptions,
} from '../servers/start-redis-cluster.js';
export { startTestServer, stopTestServer } from './test-server.js';
export { testDatabases, type TestDatabases, type TestDatabasesOptions } from './test-databases.js';
