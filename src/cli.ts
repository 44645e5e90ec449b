import {
  cacheExplain,
  cacheInvalidate,
  cacheStats,
  capacity,
  edgeRender,
  edgeRun,
  eventsGroups,
  eventsParked,
  eventsProcesses,
  eventsRebuild,
  eventsReplay,
  eventsSkip,
  eventsTopics,
  migrateStatus,
  migrateUp,
  runCli,
  shardsStatus,
  type CacheSite,
  type Closable,
  type EventsSite,
  type ReadModelSite,
} from '@rookery/cli';
import { createLogger } from '@rookery/observability';
import { clusterCommands, clusterFolder } from './cluster/index.js';
import { events, kafkaOf, shardingOptions } from './app.module.js';
import { loadConfig } from './config/index.js';
import { holdDatabases } from './databases.js';
import { edgeOperations } from './edge-operations.js';
import { readModels } from './read-models.js';

type Site = EventsSite & ReadModelSite & CacheSite & Closable;

/** As shells say it: 128 and the number of the signal. */
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

let opening: Promise<Site> | undefined;
/** Of a command that runs until it is stopped, and ends in order then. */
let stop: AbortController | undefined;

// An embedded PostgreSQL that was started for this command must not outlive it.
for (const [signal, code] of Object.entries(EXIT_BY_SIGNAL)) {
  process.on(signal, function onSignal() {
    if (stop && !stop.signal.aborted) return stop.abort();
    process.off(signal, onSignal);
    void Promise.allSettled([opening])
      .then(([opened]) => (opened.status === 'fulfilled' ? opened.value?.close() : undefined))
      .finally(() => process.exit(code));
  });
}

process.exitCode = await runCli<Site>(process.argv.slice(2), {
  summary: 'Conduit on sharded PostgreSQL: its shards, their schema and their events',
  version: '0.1.0',
  groups: {
    migrate: 'the schema of the shards',
    shards: 'where the data lives',
    events: 'what happened, and who handles it',
    cache: 'what replicas keep of it in Redis',
    edge: 'the balancer of a machine, by who is there',
    cluster: 'the site that runs on this machine by npm run cluster',
  },
  commands: [
    migrateStatus,
    migrateUp,
    shardsStatus,
    eventsGroups,
    eventsParked,
    eventsProcesses,
    eventsReplay,
    eventsSkip,
    eventsRebuild,
    eventsTopics,
    cacheStats,
    cacheExplain,
    cacheInvalidate,
    capacity,
    edgeRun({
      service: 'conduit',
      untilStopped: () => (stop = new AbortController()).signal,
      operations: edgeOperations,
    }),
    edgeRender,
    ...clusterCommands(() => clusterFolder(loadConfig().dataDir)),
  ],
  open: () => (opening ??= open()),
});

/** The shards that the environment names, or the embedded ones, which a site that runs here shares with this command. */
async function open(): Promise<Site> {
  const config = loadConfig();
  const databases = await holdDatabases(config, (line) => {
    if (process.stderr.isTTY) process.stderr.write(`${line}\n`);
  });
  // A shard that is away is told by the commands themselves.
  const logger = createLogger({
    service: 'rookery',
    replicaId: config.replicaId,
    level: 'error',
    format: config.logFormat,
    destination: { write: (line) => process.stderr.write(line) },
  });
  return {
    sharding: shardingOptions({ config, shardUrls: databases.urls, logger }),
    events,
    kafka: kafkaOf(config),
    readModels,
    cache: { namespace: config.cacheNamespace, redisUrl: config.redisUrl },
    close: () => databases.release(),
  };
}
