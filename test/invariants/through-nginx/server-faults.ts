import { setTimeout as pause } from 'node:timers/promises';
import type { EdgeFault } from './fault.js';

/** What happens to the servers that the site stands on. */
export const serverFaults: readonly EdgeFault[] = [
  {
    name: 'etcd-away',
    about: 'etcd is away for a while',
    spares: 'all',
    inject: async ({ parts: { servers }, windows }) => {
      await servers.etcd.kill();
      await pause(windows.awayMs);
      await servers.etcd.start();
    },
  },
  {
    name: 'etcd-emptied',
    about: 'etcd comes back without its data',
    spares: 'all',
    inject: async ({ parts: { servers } }) => {
      await servers.etcd.kill();
      await servers.etcd.startEmpty();
    },
  },
  {
    name: 'redis-away',
    about: 'Redis is away for a while, and comes back empty',
    spares: 'all',
    inject: async ({ parts: { servers }, windows }) => {
      await servers.redis!.kill();
      await pause(windows.awayMs);
      await servers.redis!.start();
    },
  },
  {
    name: 'kafka-away',
    about: 'the broker is killed, and comes back after a while',
    spares: 'all',
    inject: async ({ parts: { servers }, windows }) => {
      await servers.kafka!.kill(0);
      await pause(windows.awayMs);
      await servers.kafka!.start(0);
    },
  },
  {
    name: 'shard-restarted',
    about: 'the PostgreSQL of one shard is restarted',
    // Every list and every name may have to do with it. How long it is away is up to PostgreSQL, and to the machine.
    spares: 'reads elsewhere',
    inject: ({ shard }) => shard.restart('in order'),
  },
];
