import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CodedError } from '@rookery/kernel';
import { startEvents } from '@rookery/events';
import { EarlyIndex } from '@rookery/cache';
import { answerEarly, closeHttp, createHttpApplication, leavePort } from '@rookery/http';
import {
  createLogger,
  createOperationsApplication,
  HEALTH_ROUTES,
  HealthMonitor,
  measureEventLoop,
  PrometheusMeter,
  type LogDestination,
  type RookeryLogger,
} from '@rookery/observability';
import type { RpcServer } from '@rookery/rpc';
import { KnownViewers, loadKeys } from '@rookery/security';
import { Migrator, Shards } from '@rookery/sharding';
import { setTimeout as pause } from 'node:timers/promises';
import { AppModule, shardingOptions } from './app.module.js';
import { CacheGate } from './caching/index.js';
import type { Config } from './config/index.js';
import { holdDatabases } from './databases.js';
import { conduitErrors } from './edge/index.js';
import { listen } from './listen.js';
import { SiteRegistration } from './registration.js';
import { serveRpc } from './rpc/index.js';
import { migrations } from './schema.js';
import type { Link } from './start/index.js';

/** A replica that takes traffic. */
export interface Site {
  /** `http://127.0.0.1:3000` */
  readonly url: string;
  /** Undefined where the operations port was not asked for. */
  readonly opsUrl: string | undefined;
  /** `127.0.0.1:50051`; undefined where gRPC was not asked for. */
  readonly grpcAddress: string | undefined;
  readonly app: NestFastifyApplication;
  readonly logger: RookeryLogger;
  /**
   * Stops in order: readiness first, then HTTP, then what it needs, then embedded PostgreSQL. Safe to call twice; in a hurry
   * nobody is waited for, and requests under way are cut. Where others listen on the same port, it can be left to them at once.
   */
  stop(options?: { readonly hurry?: boolean; readonly othersServe?: boolean }): Promise<void>;
}

export interface SiteOptions {
  readonly config: Config;
  /** Whether to serve the operations port. @default true */
  readonly operations?: boolean;
  /** @default standard output */
  readonly logTo?: LogDestination;
}

const SERVICE = 'conduit';
const VERSION = '2.0.0';
const START = '/';
const PREFIX = 'api';
const DOCS = {
  title: 'Conduit',
  version: VERSION,
  description: 'The RealWorld back-end API, on sharded PostgreSQL.',
  path: '/docs',
  jsonPath: '/openapi.json',
};
const [LIVE, READY] = HEALTH_ROUTES;
const LINKS: readonly Link[] = [
  { name: 'docs', href: DOCS.path, text: 'what it can be asked, to be tried out' },
  { name: 'openapi', href: DOCS.jsonPath, text: 'the same, for programs' },
  { name: 'articles', href: `/${PREFIX}/articles`, text: 'the latest articles' },
  { name: 'tags', href: `/${PREFIX}/tags`, text: 'every tag that an article carries' },
  { name: 'ready', href: `/${READY}`, text: 'whether it takes traffic, and what of it is well' },
  { name: 'live', href: `/${LIVE}`, text: 'whether it runs' },
];

/** Starts one replica. What was started before a failure is stopped again. */
export async function startSite({ config, operations = true, logTo }: SiteOptions): Promise<Site> {
  const logger = createLogger({
    service: SERVICE,
    serviceVersion: VERSION,
    replicaId: config.replicaId,
    level: config.logLevel,
    format: config.logFormat,
    ...(logTo ? { destination: logTo } : {}),
  });
  const undo: (() => Promise<unknown>)[] = [];
  try {
    return await start(config, operations, logger, undo);
  } catch (error) {
    // What is told of it is one line; this is for whoever has to look behind that.
    logger.debug('the start failed', error, 'Site');
    await unwind(undo).catch((failure: unknown) => logger.warn('not all could be stopped', failure, 'Site'));
    throw error;
  }
}

async function start(
  config: Config,
  operations: boolean,
  logger: RookeryLogger,
  undo: (() => Promise<unknown>)[],
): Promise<Site> {
  const meter = new PrometheusMeter({
    onFault: ({ metric, problem }) => logger.warn(`${metric}: ${problem}`, 'Metrics'),
  });
  const stopMeasuring = measureEventLoop(meter);
  undo.push(() => Promise.resolve(stopMeasuring()));

  // First: it says best what is wrong with a data folder, which development keys are kept in, too.
  const databases = await holdDatabases(config, (line) => logger.log(line, 'Devstack'));
  undo.push(() => databases.release());
  const shardUrls = databases.urls;
  const keys = await loadKeys({
    keysFile: config.jwtKeysFile,
    secret: config.jwtSecret,
    dataDir: config.dataDir,
    production: config.production,
    onProblem: (error) => logger.warn('the signing keys stay as they were', error, 'Security'),
    meter,
  });
  if (config.migrateAtStart) await migrate(config, shardUrls, logger);

  const registration = SiteRegistration.of({ config, service: SERVICE, version: VERSION, logger, meter });
  undo.push(() => registration?.close() ?? Promise.resolve());

  let started = false;
  let opsUrl: string | undefined;
  const app = await createHttpApplication(
    AppModule.of({
      config,
      shardUrls,
      keys,
      logger,
      meter,
      probes: registration ? [registration.health] : [],
      started: () => started,
      about: {
        name: DOCS.title,
        description: DOCS.description,
        version: VERSION,
        links: LINKS,
        // Where others see the page, they need not know what is inside.
        operationsUrl: () => (config.production ? undefined : opsUrl),
      },
    }),
    {
      deadlineMs: config.requestDeadlineMs,
      corsOrigins: config.corsOrigins,
      trustProxy: config.trustProxy,
      errorRenderer: conduitErrors,
      globalPrefix: { prefix: PREFIX, exclude: [START, ...HEALTH_ROUTES] },
      docs: {
        ...DOCS,
        hidden: [START, ...HEALTH_ROUTES.map((route) => `/${route}`)],
        credentials: { description: 'Type `Token ` and the token that registering or signing in gave you.' },
      },
      meter,
      logger: logger.named('Http'),
      nestLogger: logger,
      onRequestDone: (done) => logger.access(done),
    },
  );
  undo.push(() => app.close());
  const viewers = app.get(KnownViewers, { strict: false });
  answerEarly(app, app.get(EarlyIndex, { strict: false }).find, viewers.of);
  await startEvents(app);
  await app.get(CacheGate, { strict: false }).start();
  const url = await listen(app, { host: config.host, port: config.port });
  const rpc = await serveRpc(app, { config, logger, meter });

  const health = app.get(HealthMonitor);
  if (operations) {
    const ops = await createOperationsApplication({ health, meter, logger });
    undo.push(() => ops.close());
    opsUrl = await listen(ops, {
      host: config.opsHost,
      port: config.opsPort,
      exclusive: true,
      settings: { host: 'OPS_HOST', port: 'OPS_PORT' },
    });
  }
  started = true;
  registration?.announce({ url, opsUrl, grpcAddress: rpc?.address });

  const hurry = new AbortController();
  let stopped: Promise<void> | undefined;
  return {
    url,
    opsUrl,
    grpcAddress: rpc?.address,
    app,
    logger,
    stop: (options = {}) => {
      if (options.hurry) hurry.abort();
      stopped ??= (async () => {
        if (!hurry.signal.aborted) await registration?.drain();
        // Before it is not ready: a balancer that looks at the port would take the others for that as well.
        if (options.othersServe === true) leavePort(app);
        health.setStopping();
        rpc?.stopServing();
        await drain(app, rpc, config.drainDelayMs, hurry.signal);
        await registration?.close();
        await unwind(undo);
        logger.flushSync();
      })();
      return stopped;
    },
  };
}

/** No client is dropped: they are told to go elsewhere, given the time to, and then answered to the last. */
async function drain(
  app: NestFastifyApplication,
  rpc: RpcServer | undefined,
  delayMs: number,
  hurry: AbortSignal,
): Promise<void> {
  const server = app.getHttpServer();
  server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  // Long enough for whoever sends traffic to have seen that this replica is not ready any more.
  if (delayMs > 0) await pause(delayMs, undefined, { signal: hurry }).catch(() => undefined);
  hurry.addEventListener('abort', () => {
    server.closeAllConnections();
    rpc?.cut();
  });
  await Promise.all([
    closeHttp(app, hurry.aborted ? 0 : undefined),
    rpc?.drain(hurry.aborted ? 0 : undefined),
  ]);
}

async function migrate(config: Config, shardUrls: readonly string[], logger: RookeryLogger): Promise<void> {
  const { shards, controlUrl } = shardingOptions({ config, shardUrls, logger });
  const since = performance.now();
  const steps = await new Migrator({ shards, controlUrl, migrations }).up().catch((cause: unknown) => {
    if (cause instanceof CodedError) throw cause;
    throw new AggregateError([cause], 'the shards could not be brought up to date');
  });
  if (steps.length > 0) {
    logger.log(
      `applied ${steps.length} migrations in ${Math.round(performance.now() - since)} ms`,
      'Sharding',
    );
  }
}

/** Undoes in the opposite order; one failure does not keep the rest standing. */
async function unwind(undo: (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (let step = undo.pop(); step; step = undo.pop()) {
    await step().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, 'the site could not be stopped in order');
}

/** The shards of a running site, for tools and tests that look behind HTTP. */
export function shardsOf(site: Site): Shards {
  return site.app.get(Shards);
}
