import type { EdgeOperations } from '@rookery/cli';
import {
  createLogger,
  createOperationsApplication,
  HealthMonitor,
  PrometheusMeter,
} from '@rookery/observability';
import { listen } from './listen.js';

/** What `rookery edge run` measures and how it is, as a replica's operations port tells it. */
export function edgeOperations(): EdgeOperations {
  // Standard output has the lines of the command.
  const logger = createLogger({
    service: 'rookery-edge',
    replicaId: `edge-${process.pid}`,
    level: 'warn',
    format: 'ecs',
    destination: { write: (line) => process.stderr.write(line) },
  });
  const meter = new PrometheusMeter({
    onFault: ({ metric, problem }) => logger.warn(`${metric}: ${problem}`, 'Metrics'),
  });
  return {
    meter,
    serve: async ({ host, port, probes }) => {
      const health = new HealthMonitor({ probes, meter });
      const app = await createOperationsApplication({ health, meter, logger, healthRoutes: true });
      const settings = { host: '--ops', port: '--ops' };
      try {
        const url = await listen(app, { host, port, exclusive: true, settings });
        return { url, setStopping: () => health.setStopping(), close: () => app.close() };
      } catch (error) {
        await app.close();
        throw error;
      }
    },
  };
}
