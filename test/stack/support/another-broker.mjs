// To be imported before a replica's own script: `{ anotherBroker: true }` tells kafkajs that a broker has joined which leads
// nothing yet, and as soon as that is noticed the replica is told to rest, as when a deploy meets a cluster that changes.
import { createRequire } from 'node:module';

const BrokerPool = createRequire(import.meta.url)('kafkajs/src/cluster/brokerPool');

const known = BrokerPool.prototype.getNodeIds;
// It leads nothing either: what fetches from it only waits, and is still waiting when another fetcher sees the change.
let extra = ['7'];
let noticed = true;

BrokerPool.prototype.getNodeIds = function () {
  if (!noticed) {
    noticed = true;
    setImmediate(() => process.emit('message', { resting: true }));
  }
  return [...known.call(this), ...extra];
};

process.on('message', ({ anotherBroker }) => {
  if (!anotherBroker) return;
  extra = ['7', '8'];
  noticed = false;
});
