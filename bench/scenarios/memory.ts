import { residentOf } from '../cpu.js';
import { benchDatabases, fill } from '../databases.js';
import type { Scenario } from '../harness.js';
import { load } from '../load.js';
import { startConduit } from '../servers.js';
import { someViewer } from '../viewer.js';

const IDLE_LIMIT_MB = 160;
const LOAD_LIMIT_MB = 320;

/** The baselines here are the limits we set ourselves. */
export const memory: Scenario = {
  name: 'memory',
  about: `resident memory of a replica: idle (limit ${IDLE_LIMIT_MB} MiB), under load (limit ${LOAD_LIMIT_MB} MiB)`,
  run: async (report) => {
    const databases = await benchDatabases(2);
    try {
      await fill(databases.urls, 10_000);
      const viewer = await someViewer(databases.urls);
      const server = await startConduit(databases.urls);
      try {
        report.add('memory', 'idle after start', residentOf(server.pid), IDLE_LIMIT_MB, 'MiB', false);
        const most = await mostWhile(server.pid, () =>
          load({
            port: server.port,
            path: '/api/articles?limit=100',
            headers: { authorization: `Token ${viewer.token}` },
            connections: 64,
            seconds: 15,
          }),
        );
        report.add('memory', 'most under load', most, LOAD_LIMIT_MB, 'MiB', false);
      } finally {
        await server.stop();
      }
    } finally {
      await databases.close();
    }
  },
};

async function mostWhile(pid: number, work: () => Promise<unknown>): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, residentOf(pid));
  }, 200);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most;
}
