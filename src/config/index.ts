export { ConfigFault } from './config-fault.js';
export { loadConfig, type Config } from './config.js';
