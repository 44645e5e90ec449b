import { setTimeout as pause } from 'node:timers/promises';
import type { EdgeFault } from './fault.js';
import { hostileClients } from './hostile-clients.js';

const RELOADS = 50;
const BETWEEN_RELOADS_MS = 100;

/** What happens to Nginx, and who comes to it. */
export const edgeFaults: readonly EdgeFault[] = [
  {
    name: 'reloaded',
    about: 'Nginx is reloaded 50 times',
    spares: 'all',
    inject: async ({ parts: { nginx } }) => {
      for (let reloads = 0; reloads < RELOADS; reloads++) {
        nginx.reload();
        await pause(BETWEEN_RELOADS_MS);
      }
    },
  },
  {
    name: 'hostile-clients',
    about: 'clients are slow, send huge headers, break off, and give two lengths',
    spares: 'all',
    inject: ({ url, windows }) => hostileClients(url, windows.awayMs),
  },
];
