import { setTimeout as pause } from 'node:timers/promises';
import { ask } from '../../stack/support/traffic.js';
import type { EdgeFault } from './fault.js';

const FIVE_MINUTES = 300_000;

/** What happens to replicas. */
export const replicaFaults: readonly EdgeFault[] = [
  {
    name: 'killed',
    about: 'a replica is killed',
    spares: 'reads',
    inject: async (scene) => {
      const pid = await scene.pidOf(1);
      process.kill(pid, 'SIGKILL');
      await scene.replaced(1, pid);
    },
  },
  {
    name: 'frozen',
    about: 'a replica stands still for a while',
    spares: 'reads',
    inject: async (scene) => {
      const pid = await scene.pidOf(2);
      process.kill(pid, 'SIGSTOP');
      await pause(scene.windows.frozenMs).finally(() => process.kill(pid, 'SIGCONT'));
    },
  },
  {
    name: 'out-of-memory',
    about: 'a replica uses up its heap',
    spares: 'reads',
    inject: async (scene) => {
      const pid = await scene.pidOf(3);
      await scene.trouble(3, { memory: true });
      await scene.replaced(3, pid);
    },
  },
  {
    name: 'no-descriptors',
    about: 'a replica can open no file and no connection',
    spares: 'reads',
    inject: async (scene) => {
      const address = await scene.addressOf(1);
      await scene.withoutDescriptors(1, async () => {
        await pause(scene.windows.awayMs);
        const [outcome] = await Promise.allSettled([ask(`${address}/health/live`)]);
        if (outcome.status === 'fulfilled') throw new Error('it has taken a connection all the same');
      });
    },
  },
  {
    name: 'clock-off',
    about: 'the clock of a replica is five minutes ahead, and then behind',
    spares: 'all',
    inject: async (scene) => {
      for (const clockMs of [FIVE_MINUTES, -FIVE_MINUTES, 0]) {
        await scene.trouble(2, { clockMs });
        if (clockMs !== 0) await pause(scene.windows.awayMs);
      }
    },
  },
  {
    name: 'rolled',
    about: 'all replicas are replaced, one after the other',
    spares: 'all',
    inject: ({ cluster }) => cluster.roll(),
  },
];
