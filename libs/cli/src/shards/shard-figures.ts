import { prepared, type Shards } from '@rookery/sharding';

/** What PostgreSQL knows of one shard. */
export interface ShardFigures {
  /** Rows by sharded table. */
  readonly tables: readonly TableFigures[];
  readonly connections: ConnectionFigures;
}

export interface TableFigures {
  readonly table: string;
  readonly rows: number;
  /** With its indexes. */
  readonly bytes: number;
}

export interface ConnectionFigures {
  /** The server's limit, shared by all its databases. */
  readonly max: number;
  /** Open on the server, to any database. */
  readonly open: number;
  /** Open to this shard, by the name a program gives itself. */
  readonly applications: readonly { readonly name: string; readonly open: number; readonly active: number }[];
}

/** The planner's estimate where the table was analyzed, else what the server has counted since it started. */
const tables = prepared(
  'cli.tables',
  `SELECT c.relname AS "table", pg_total_relation_size(c.oid)::float8 AS bytes,
     CASE WHEN c.reltuples < 0 THEN coalesce(s.n_live_tup, 0) ELSE c.reltuples END::float8 AS rows
   FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
   WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace(current_schema())
     AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'shard_slot' AND NOT a.attisdropped)
   ORDER BY c.relname LIKE 'rookery\\_%', c.relname`,
);

const server = prepared(
  'cli.server',
  `SELECT current_setting('max_connections')::int AS max,
     (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS open`,
);

const applications = prepared(
  'cli.applications',
  `SELECT application_name AS name, count(*)::int AS open, count(*) FILTER (WHERE state <> 'idle')::int AS active
   FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
   GROUP BY 1 ORDER BY 2 DESC, 1`,
);

/** What this command opens is its own doing, and shown as one. */
function withoutNoise(
  clients: ConnectionFigures['applications'],
  own: string,
): ConnectionFigures['applications'] {
  const mine = clients.filter(({ name }) => name.startsWith(own));
  const sum = (of: (client: ConnectionFigures['applications'][number]) => number): number =>
    mine.reduce((total, client) => total + of(client), 0);
  return [
    ...clients.filter(({ name }) => !name.startsWith(own)),
    { name: 'this command', open: sum(({ open }) => open), active: sum(({ active }) => active) },
  ];
}

/**
 * @param own the name that this command's connections have
 * @param exact counts every row instead of asking the planner: takes as long as reading the tables
 */
export async function readFigures(
  shards: Shards,
  shard: string,
  own: string,
  exact: boolean,
): Promise<ShardFigures> {
  const [found, [limits], clients] = await Promise.all([
    shards.queryShard<TableFigures>(shard, tables()),
    shards.queryShard<{ max: number; open: number }>(shard, server()),
    shards.queryShard<ConnectionFigures['applications'][number]>(shard, applications()),
  ]);
  const counted = exact
    ? await count(
        shards,
        shard,
        found.map(({ table }) => table),
      )
    : undefined;
  return {
    tables: found.map((table) => ({ ...table, rows: counted?.get(table.table) ?? table.rows })),
    connections: { ...limits!, applications: withoutNoise(clients, own) },
  };
}

async function count(shards: Shards, shard: string, names: readonly string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const table = `"${name.replaceAll('"', '""')}"`;
    const [row] = await shards.queryShard<{ rows: number }>(shard, {
      text: `SELECT count(*)::float8 AS rows FROM ${table}`,
    });
    counts.set(name, row!.rows);
  }
  return counts;
}
