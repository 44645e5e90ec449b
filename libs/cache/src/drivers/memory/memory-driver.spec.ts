import { ChaosDriver, describeCacheDriver, describeCaches, type DriverStage } from '../../testing/index.js';
import { MemoryDriver, MemoryHub } from './memory-driver.js';

const memory = (): Promise<DriverStage> => {
  const hub = new MemoryHub({ maxBytes: 1e6 });
  return Promise.resolve({ driver: () => new MemoryDriver(hub), close: () => Promise.resolve() });
};
const late = (): Promise<DriverStage> => {
  const hub = new MemoryHub({ maxBytes: 1e6 });
  const driver = () => new ChaosDriver(new MemoryDriver(hub), { upToMs: 3 });
  return Promise.resolve({ driver, close: () => Promise.resolve() });
};
describeCacheDriver('memory', memory);
describeCacheDriver('memory, late', late);
describeCaches('memory', memory);
describeCaches('memory, late', late);
