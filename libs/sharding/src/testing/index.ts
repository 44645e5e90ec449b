export { FaultyLink } from './faulty-link.js';
export { testShards, type DatabaseProvider, type TestShards, type TestShardsOptions } from './test-shards.js';
