import { Module, type DynamicModule } from '@nestjs/common';
import { Cache, CacheModule } from '@rookery/cache';
import { Events, EventsModule, type KafkaOptions } from '@rookery/events';
import type { HealthProbe } from '@rookery/kernel';
import { HealthModule, type PrometheusMeter, type RookeryLogger } from '@rookery/observability';
import { SecurityModule, type KeySource } from '@rookery/security';
import { Shards, ShardingModule, type ShardingOptions } from '@rookery/sharding';
import { ArticlesHttpModule, articlesEvents } from './articles/index.js';
import { CachingModule } from './caching/index.js';
import { commentsEvents, CommentsModule } from './comments/index.js';
import type { Config } from './config/index.js';
import { favoritesEvents, FavoritesModule } from './favorites/index.js';
import { feedEvents, FeedModule } from './feed/index.js';
import { profilesEvents, ProfilesModule } from './profiles/index.js';
import { RpcModule } from './rpc/index.js';
import { migrations } from './schema.js';
import { StartModule, type About } from './start/index.js';
import { tagsEvents, TagsModule } from './tags/index.js';
import { UserEntity, usersEvents, UsersModule } from './users/index.js';

/** What is made before the application: it must exist for the start to be reported, or outlive its end. */
export interface Surroundings {
  readonly config: Config;
  /** URLs of the shards, given or embedded. */
  readonly shardUrls: readonly string[];
  readonly keys: KeySource;
  readonly logger: RookeryLogger;
  readonly meter: PrometheusMeter;
  /** Of what stands outside the application: the registry. @default none */
  readonly probes?: readonly HealthProbe[];
  /** Whether the replica has finished starting. */
  readonly started: () => boolean;
  /** What the start page tells. */
  readonly about: About;
}

const MEBIBYTE = 1_048_576;

/** The one composition root: everything that the site is made of is named here. */
@Module({})
export class AppModule {
  static of(surroundings: Surroundings): DynamicModule {
    const { config, keys, logger, meter, probes = [], started, about } = surroundings;
    const kafka = kafkaOf(config);
    return {
      module: AppModule,
      imports: [
        ShardingModule.forRoot(shardingOptions(surroundings)),
        EventsModule.forRoot({
          events,
          replicaId: config.replicaId,
          readAfterWriteMs: config.readAfterWriteMs,
          meter,
          onWarning: warnings(logger, 'Events'),
          ...(kafka ? { kafka } : {}),
        }),
        CacheModule.forRoot({
          namespace: config.cacheNamespace,
          redisUrl: config.redisUrl,
          replicaId: config.replicaId,
          maxBytes: config.cacheMaxMb * MEBIBYTE,
          meter,
          onWarning: warnings(logger, 'Cache'),
        }),
        CachingModule.with({
          caching: !config.cache ? 'off' : config.redisUrl ? 'shared' : 'alone',
          replicaId: config.replicaId,
          meter,
          onWarning: warnings(logger, 'Cache'),
        }),
        SecurityModule.forRoot({ keys, meter, schemes: ['Token', 'Bearer'], issuer: 'conduit' }),
        HealthModule.forRootAsync({
          inject: [Shards, Events, Cache],
          useFactory: (shards: Shards, events: Events, cache: Cache) => ({
            probes: () => [...shards.probes(), keys.health, events.probe, cache.probe, ...probes],
            started,
            meter,
            logger,
          }),
        }),
        StartModule.with(about),
        UsersModule,
        ProfilesModule,
        FeedModule.with({ fanOutMax: config.feedFanOutMax }),
        // Features that stand on articles give it, through ports, what it asks of them.
        ArticlesHttpModule.with([FavoritesModule, TagsModule, CommentsModule], {
          timeoutMs: config.removalTimeoutMs,
          meter,
          onWarning: (message) => logger.warn(message, 'Articles'),
        }),
        RpcModule.with([FavoritesModule, TagsModule]),
      ],
    };
  }
}

/** Every event of the site. */
export const events = [
  ...usersEvents,
  ...profilesEvents,
  ...articlesEvents,
  ...commentsEvents,
  ...favoritesEvents,
  ...tagsEvents,
  ...feedEvents,
];

/** How the events travel by Kafka, for the site and for tools that look after it; undefined where they do not. */
export function kafkaOf({ kafkaBrokers, kafkaTopicPrefix }: Config): KafkaOptions | undefined {
  return kafkaBrokers ? { brokers: kafkaBrokers, topicPrefix: kafkaTopicPrefix } : undefined;
}

/** How the site uses its shards; tools that need no application use it, too. */
export function shardingOptions({
  config,
  shardUrls,
  logger,
  meter,
}: Pick<Surroundings, 'config' | 'shardUrls' | 'logger'> &
  Partial<Pick<Surroundings, 'meter'>>): ShardingOptions {
  return {
    shards: shardUrls.map((url) => ({ url })),
    controlUrl: config.controlUrl,
    entities: [UserEntity],
    migrations,
    poolMax: config.poolMax,
    sessionState: config.sessionState,
    defaultDeadlineMs: config.requestDeadlineMs,
    applicationName: `conduit ${config.replicaId}`.slice(0, 56),
    ...(meter ? { meter } : {}),
    onWarning: warnings(logger, 'Sharding'),
  };
}

function warnings(logger: RookeryLogger, context: string) {
  return (message: string, error?: unknown): void => {
    if (error === undefined) logger.log(message, context);
    else logger.warn(message, error, context);
  };
}
