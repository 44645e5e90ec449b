/** Metrics of which one site without Kafka, Redis, registry and callers has nothing to say; a cluster with all of it has. */
export const NOT_IN_ONE_SITE: Readonly<Record<string, string>> = {
  rookery_events_relayed_total: 'there is no Kafka',
  rookery_events_kafka_lag: 'there is no Kafka',
  rookery_cache_driver_seconds: 'there is no Redis',
  rookery_discovery_instances: 'nobody watches a registry',
  rookery_discovery_calls_total: 'there is no registry',
  rookery_discovery_registrations_total: 'there is no registry',
  rookery_edge_applies_total: 'there is no load balancer',
  rookery_edge_apply_seconds: 'there is no load balancer',
  rookery_edge_peers: 'there is no load balancer',
  rpc_server_duration_seconds: 'gRPC is not served',
  rpc_server_calls_in_flight: 'gRPC is not served',
  rpc_client_duration_seconds: 'nobody calls',
};

/** Metrics of which a cluster that shares its cache has nothing to say; one site has. */
export const NOT_IN_A_CLUSTER: Readonly<Record<string, string>> = {
  http_server_refused_connections_total: 'Nginx refuses them before they get to a replica',
  rookery_events_sole_replica: 'replicas that share a cache need not know whether they are alone',
};

/** Metrics that are about what does not happen while all is well, or not within a minute. */
export const SELDOM: Readonly<Record<string, string>> = {
  rookery_events_relay_failures_total: 'Kafka takes what it is sent',
  rookery_events_kafka_rebuilds_total: 'no client of Kafka is given up',
  rookery_cache_driver_calls_total: 'no call to Redis fails',
  rookery_cache_stampedes_total: 'nobody reads the same at once',
  rookery_events_retries_total: 'no handler fails',
  rookery_events_processes_dropped_total: 'nothing has ended long enough ago',
  rookery_sharding_transaction_retries_total: 'nobody writes the same at once, and no slot moves',
  rookery_security_password_refused_total: 'no flood of passwords comes',
  rookery_metrics_folded_total: 'no label has too many values',
  rookery_metrics_refused_total: 'each figure makes sense',
  rpc_client_retries_total: 'no call fails',
};

/** Panels whose metrics have data, and whose question has none while all is well. */
export const SILENT_PANELS: Readonly<Record<string, string>> = {
  'events.json Parked': 'no event is parked',
  'site.json Failures: 5xx by route': 'no request fails',
};

/** The same, in one site without a registry. */
export const SILENT_PANELS_OF_ONE_SITE: Readonly<Record<string, string>> = {
  ...SILENT_PANELS,
  'edge.json Turns of what follows the registry': 'nothing follows a registry',
};
