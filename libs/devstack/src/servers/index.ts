export { Guard } from '../kafka/guard.js';
export type { KafkaOptions } from '../kafka/kafka.options.js';
export { startKafka, type KafkaCluster } from '../kafka/start-kafka.js';
export { ReplicaSet } from '../replicas/replica-set.js';
export type { ReplicaSetOptions, ReplicaState, ReplicaStatus } from '../replicas/replica-set.options.js';
export { startEtcd, type Etcd } from './start-etcd.js';
export { startHaproxy, startNginx, type Proxy, type ProxyOptions, type ProxyPlace } from './start-proxies.js';
export { startRedis, type Redis, type RedisOptions } from './start-redis.js';
