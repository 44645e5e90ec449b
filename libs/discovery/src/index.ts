export { checkInstance, isAddress } from './check-instance.js';
export { discoveryErrors } from './discovery.errors.js';
export { DnsRegistry, type DnsRegistryOptions } from './drivers/dns/dns-registry.js';
export type { DnsName } from './drivers/dns/look-up.js';
export type { EtcdTls } from './drivers/etcd/etcd-client.js';
export { EtcdRegistry, type EtcdRegistryOptions } from './drivers/etcd/etcd-registry.js';
export { StaticRegistry } from './drivers/static/static-registry.js';
export type { Balancer, Peer } from './edge/balancer.js';
export { EdgeAgent, type EdgeAgentOptions, type EdgeStatus } from './edge/edge-agent.js';
export { HaproxyBalancer, type HaproxyOptions } from './edge/haproxy/haproxy-balancer.js';
export { NginxBalancer, type NginxOptions } from './edge/nginx/nginx-balancer.js';
export { renderUpstream, type UpstreamSettings } from './edge/nginx/upstream-file.js';
export { runEdge, type RunEdgeOptions } from './edge/run-edge.js';
export { renderFolder, renderTemplates, type RenderOptions, type TemplateValues } from './edge/templates.js';
export type {
  Instance,
  InstanceState,
  Registration,
  Registry,
  RegistryCapabilities,
  RegistryOptions,
  Snapshot,
  Watch,
} from './registry.js';
