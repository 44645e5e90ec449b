// needs: redis
import { ChaosDriver, describeCacheDriver, describeCaches } from '@rookery/cache/testing';
import { openRedisStage } from './support/redis-stage.js';

const alone = () => openRedisStage();
const cluster = () => openRedisStage({ cluster: true });
const late = async () => {
  const stage = await openRedisStage();
  return { ...stage, driver: () => new ChaosDriver(stage.driver(), { upToMs: 3 }) };
};

describeCacheDriver('redis', alone);
describeCacheDriver('redis cluster', cluster);
describeCaches('redis', alone);
describeCaches('redis cluster', cluster);
describeCaches('redis, late', late);
