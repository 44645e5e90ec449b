import { setTimeout as pause } from 'node:timers/promises';
import type { Fault } from './fault.js';

/** What happens to the shards, and between them and the replicas. */
export const databaseFaults: readonly Fault[] = [
  {
    name: 'postgres-restarted',
    about: 'PostgreSQL is stopped and started',
    inject: ({ parts }) => parts.postgres.restart('in order'),
  },
  {
    name: 'postgres-killed',
    about: 'PostgreSQL is killed, and recovers',
    inject: ({ parts }) => parts.postgres.restart('killed'),
  },
  {
    name: 'sessions-ended',
    about: 'sessions of PostgreSQL are ended at random',
    inject: async ({ parts }) => {
      let ended = 0;
      for (let rounds = 0; rounds < 8; rounds++) {
        ended += await parts.postgres.endSessions(parts.urls, 0.3);
        await pause(200);
      }
      if (ended === 0) throw new Error('no session was ended');
    },
  },
  {
    name: 'pool-exhausted',
    about: 'handlers wait for connections that slow statements keep from them',
    setup: { poolMax: 2 },
    inject: async (scene) => {
      await scene.misbehave({ slowStatementMs: 60 });
      await pause(2_500);
      await scene.misbehave({});
    },
  },
  {
    name: 'link-cut',
    about: 'connections to the shards are cut, refused, and left without an answer',
    linked: true,
    inject: async ({ parts }) => {
      for (let cuts = 0; cuts < 4; cuts++) {
        for (const link of parts.links) link.cut();
        await pause(150);
      }
      for (const link of parts.links) link.refuse();
      await pause(500);
      for (const link of parts.links) link.accept();
      await pause(300);
      for (const link of parts.links) link.freeze();
      await pause(parts.takenOverMs);
      for (const link of parts.links) link.thaw();
    },
  },
  {
    name: 'transaction-open',
    about: 'a transaction is open all the time in another database of the server, and nobody waits for it',
    perSecond: 100,
    // Whoever waited for it would wait for seconds, most of them.
    p99Ms: 2_000,
    inject: ({ parts }) => parts.postgres.besideOpenTransaction(() => pause(parts.openTransactionMs)),
  },
];
