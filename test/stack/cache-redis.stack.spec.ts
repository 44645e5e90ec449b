// needs: redis
import { ChaosDriver, describeCacheDriver, describeCaches } from '@rookery/cache/testing';
import { openRedisStage, PATIENT } from './support/redis-stage.js';

const alone = () => openRedisStage({}, PATIENT);
const cluster = () => openRedisStage({ cluster: true }, PATIENT);
const late = async () => {
  const stage = await openRedisStage({}, PATIENT);
  return { ...stage, driver: () => new ChaosDriver(stage.driver(), { upToMs: 3 }) };
};

describeCacheDriver('redis', alone);
describeCacheDriver('redis cluster', cluster);
describeCaches('redis', alone);
describeCaches('redis cluster', cluster);
describeCaches('redis, late', late);
