export { describeCaches } from './cache-contract.js';
export { ChaosDriver, type Chaos } from './chaos-driver.js';
export { describeCacheDriver, type DriverStage } from './driver-contract.js';
export { watchForStaleReads, type StaleReadWatch, type StaleReadWatchOptions } from './stale-read-watch.js';
