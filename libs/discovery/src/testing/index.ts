export { DnsServer, type SrvRecord } from './dns-server.js';
export { eventually } from './eventually.js';
export { registryContract, replica, Told, type RegistryHarness } from './registry-contract.js';
