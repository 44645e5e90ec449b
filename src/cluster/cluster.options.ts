import { parseArgs } from 'node:util';

/** What `npm run cluster` was asked for. */
export interface ClusterOptions {
  readonly replicas: number;
  readonly shards: number;
  readonly kafka: boolean;
  readonly redis: boolean;
  readonly haproxy: boolean;
  /** Where Nginx takes clients; HAProxy at the next. 0: free ones. */
  readonly port: number;
  /** Whether nothing is kept. */
  readonly temporary: boolean;
  /** Whether what the machine lacks is to be installed. */
  readonly install: boolean;
  readonly help: boolean;
}

export const USAGE = `npm run cluster -- [options]: the whole site on this machine, with real servers

  --replicas N   replicas of the site (3)
  --shards N     databases of an embedded PostgreSQL that it is spread over (2)
  --kafka        events travel by Kafka
  --redis        replicas share a cache in Redis
  --haproxy      HAProxy beside Nginx, on the port after it
  --port N       where Nginx takes clients (8080); 0: any that is free
  --temporary    keep nothing; else data stay under DATA_DIR/cluster (.rookery/cluster)
  --install      install what is missing (as root on Debian; Kafka from Maven Central)

While it runs: npx rookery cluster status | scale <replicas> | roll | kill <replica>`;

export class ClusterUsageFault extends Error {}

/** @throws ClusterUsageFault */
export function parseClusterOptions(argv: readonly string[]): ClusterOptions {
  const values = parsed(argv);
  return {
    replicas: whole('replicas', values.replicas, 3, 1, 32),
    shards: whole('shards', values.shards, 2, 1, 64),
    kafka: values.kafka,
    redis: values.redis,
    haproxy: values.haproxy,
    port: whole('port', values.port, 8080, 0, 65_534),
    temporary: values.temporary,
    install: values.install,
    help: values.help,
  };
}

function parsed(argv: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        replicas: { type: 'string' },
        shards: { type: 'string' },
        port: { type: 'string' },
        kafka: flag,
        redis: flag,
        haproxy: flag,
        temporary: flag,
        install: flag,
        help: { ...flag, short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new ClusterUsageFault((error as Error).message, { cause: error });
  }
}

function whole(name: string, given: string | undefined, byDefault: number, min: number, max: number): number {
  const value = given === undefined || given === '' ? byDefault : Number(given);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ClusterUsageFault(`--${name} takes a whole number from ${min} to ${max}, not '${given}'`);
}

/** Names of what the machine must have for it (see scripts/system-programs.mjs). */
export function needsOf({ kafka, redis, haproxy }: ClusterOptions): string[] {
  return [
    'nginx',
    'etcd',
    ...(kafka ? ['kafka'] : []),
    ...(redis ? ['redis'] : []),
    ...(haproxy ? ['haproxy'] : []),
  ];
}
