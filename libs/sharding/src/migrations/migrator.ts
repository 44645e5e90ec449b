import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { SLOT_COUNT } from '@rookery/kernel';
import { frameworkMigrations } from '../schema/framework-migrations.js';
import { shardingErrors } from '../sharding.errors.js';
import type { ShardTarget } from '../sharding.options.js';
import { readIdentity } from './identity.js';
import { checksumOf, type Migration } from './migration.js';
import { readApplied, type AppliedMigration } from './schema-check.js';

export interface MigratorOptions {
  readonly shards: readonly ShardTarget[];
  /** @default the first shard */
  readonly controlUrl?: string;
  /** The site's own; the framework's come first by themselves. */
  readonly migrations: readonly Migration[];
  /** @default 5000 */
  readonly connectTimeoutMs?: number;
}

export interface ShardMigrationStatus {
  readonly shard: string;
  readonly reachable: boolean;
  readonly trouble?: string;
  readonly applied: readonly AppliedMigration[];
  readonly pending: readonly string[];
  /** Applied there, not known here: a newer version of the site has been. */
  readonly unknown: readonly string[];
}

export interface MigrationStep {
  readonly shard: string;
  readonly id: string;
  readonly tookMs: number;
}

/** Second key of the advisory lock that keeps two migrators apart; the first is the lock space of the library. */
const MIGRATION_LOCK = [7735, 1] as const;

/**
 * Brings every shard to the schema of this version: the first shard goes first and whole (the canary), the others follow
 * one by one; each migration commits by itself, so that a run which was interrupted is taken up where it ended. Two runs
 * at once wait for each other. On a cluster without slots, slots are dealt out evenly at the end.
 */
export class Migrator {
  private readonly migrations: readonly Migration[];
  private readonly targets: readonly { name: string; url: string }[];
  private readonly controlUrl: string;

  constructor(private readonly options: MigratorOptions) {
    this.migrations = [...frameworkMigrations, ...options.migrations];
    this.targets = options.shards.map(({ name, url }, i) => ({ name: name ?? `s${i + 1}`, url }));
    this.controlUrl = options.controlUrl ?? this.targets[0]!.url;
  }

  /** What each shard has and lacks. A shard that does not answer is listed as unreachable. */
  status(): Promise<ShardMigrationStatus[]> {
    return Promise.all(
      this.targets.map(async ({ name, url }): Promise<ShardMigrationStatus> => {
        try {
          return await this.withClient(url, async (client) => {
            const applied = await readApplied(queryOn(client));
            const have = new Set(applied.map((row) => row.id));
            const known = new Set(this.migrations.map((migration) => migration.id));
            return {
              shard: name,
              reachable: true,
              applied,
              pending: this.migrations.filter(({ id }) => !have.has(id)).map(({ id }) => id),
              unknown: applied.filter(({ id }) => !known.has(id)).map(({ id }) => id),
            };
          });
        } catch (error) {
          return {
            shard: name,
            reachable: false,
            trouble: error instanceof Error ? error.message : String(error),
            applied: [],
            pending: this.migrations.map(({ id }) => id),
            unknown: [],
          };
        }
      }),
    );
  }

  /**
   * Applies what is missing, everywhere.
   * @param onStep told of each migration that was applied
   * @throws RK_SHARDING_MIGRATION_FAILED (what was applied before it stands), _MIGRATION_CHANGED, _SCHEMA_NEWER, _IDENTITY
   */
  async up(onStep: (step: MigrationStep) => void = () => undefined): Promise<MigrationStep[]> {
    const steps: MigrationStep[] = [];
    const note = (step: MigrationStep): void => {
      steps.push(step);
      onStep(step);
    };
    await this.withClient(this.controlUrl, async (control) => {
      await control.query('SELECT pg_advisory_lock($1, $2)', [...MIGRATION_LOCK]);
      if (!this.targets.some(({ url }) => url === this.controlUrl)) {
        await this.migrateOne(control, 'control', note, frameworkMigrations);
      }
      // Nothing is touched anywhere before every shard is known to be the one it is taken for.
      const cluster = await this.identify();
      for (const { name, url } of this.targets) {
        await this.withClient(url, (client) => this.migrateOne(client, name, note, this.migrations));
      }
      await this.nameShards(cluster);
      await this.dealSlots(control);
    });
    return steps;
  }

  /**
   * The cluster that the shards say they belong to; a new name if none of them says anything.
   * @throws RK_SHARDING_IDENTITY, _SCHEMA_NEWER
   */
  private async identify(): Promise<string> {
    const known = new Set(this.migrations.map(({ id }) => id));
    let cluster: string | undefined;
    for (const [position, { name, url }] of this.targets.entries()) {
      const found = await this.withClient(url, async (client) => {
        const query = queryOn(client);
        const applied = await readApplied(query);
        const unknown = applied.filter(({ id }) => !known.has(id)).map(({ id }) => id);
        if (unknown.length > 0) {
          throw shardingErrors.create('SCHEMA_NEWER', { data: { shard: name, unknown: unknown.join(', ') } });
        }
        return readIdentity(query);
      });
      if (!found) continue;
      cluster ??= found.cluster;
      if (found.shard !== name || found.cluster !== cluster) {
        throw shardingErrors.create('IDENTITY', {
          data: {
            position: position + 1,
            found: `${found.shard} of ${found.cluster}`,
            expected: `${name} of ${cluster}`,
          },
        });
      }
    }
    return cluster ?? randomUUID();
  }

  private async migrateOne(
    client: pg.Client,
    shard: string,
    note: (step: MigrationStep) => void,
    migrations: readonly Migration[],
  ): Promise<void> {
    await client.query(`CREATE TABLE IF NOT EXISTS rookery_migration (
      id text PRIMARY KEY,
      position int GENERATED ALWAYS AS IDENTITY,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      took_ms int NOT NULL
    )`);
    const applied = new Map((await readApplied(queryOn(client))).map((row) => [row.id, row.checksum]));
    for (const migration of migrations) {
      const checksum = applied.get(migration.id);
      if (checksum === undefined) note(await this.apply(client, shard, migration));
      else if (checksum !== checksumOf(migration)) {
        throw shardingErrors.create('MIGRATION_CHANGED', { data: { id: migration.id, shard } });
      }
    }
  }

  private async apply(client: pg.Client, shard: string, migration: Migration): Promise<MigrationStep> {
    const since = performance.now();
    const transactional = migration.transactional ?? true;
    try {
      if (transactional) await client.query('BEGIN');
      await client.query(migration.up);
      const tookMs = Math.round(performance.now() - since);
      await client.query('INSERT INTO rookery_migration (id, checksum, took_ms) VALUES ($1, $2, $3)', [
        migration.id,
        checksumOf(migration),
        tookMs,
      ]);
      if (transactional) await client.query('COMMIT');
      return { shard, id: migration.id, tookMs };
    } catch (error) {
      if (transactional) await client.query('ROLLBACK').catch(() => undefined);
      throw shardingErrors.create('MIGRATION_FAILED', {
        data: { id: migration.id, shard, reason: error instanceof Error ? error.message : String(error) },
        cause: error,
      });
    }
  }

  /** Writes into each new database which shard of which cluster it is. */
  private async nameShards(cluster: string): Promise<void> {
    for (const { name, url } of this.targets) {
      await this.withClient(url, (client) =>
        client.query(
          'INSERT INTO rookery_identity (cluster, shard) VALUES ($1, $2) ON CONFLICT (only_row) DO NOTHING',
          [cluster, name],
        ),
      );
    }
  }

  /**
   * Deals the slots of a new cluster out evenly. The published map is written first and whole; each shard then gets what
   * the map says, so that an interrupted deal ends the same way when it is taken up again. A shard whose slots were ever
   * touched is left alone: it may have given them away since, and one that was added later gets its slots by moving them.
   */
  private async dealSlots(control: pg.Client): Promise<void> {
    await control.query(
      `INSERT INTO rookery_map (slot, shard, epoch)
       SELECT slot, ($1::text[])[1 + slot * $2 / ${SLOT_COUNT}], 1 FROM generate_series(0, ${SLOT_COUNT - 1}) slot
       WHERE NOT EXISTS (SELECT FROM rookery_map)`,
      [this.targets.map(({ name }) => name), this.targets.length],
    );
    const { rows } = await control.query<{ shard: string; slots: number[] }>(
      'SELECT shard, array_agg(slot ORDER BY slot) AS slots FROM rookery_map WHERE epoch = 1 GROUP BY shard',
    );
    for (const { name, url } of this.targets) {
      const slots = rows.find((row) => row.shard === name)?.slots ?? [];
      if (slots.length === 0) continue;
      await this.withClient(url, (client) =>
        client.query(
          `INSERT INTO rookery_slot (slot, epoch, state)
           SELECT slot, 1, 'open' FROM unnest($1::smallint[]) slot
           WHERE (SELECT version FROM rookery_slot_version) = 1`,
          [slots],
        ),
      );
    }
  }

  private async withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: this.options.connectTimeoutMs ?? 5_000,
      application_name: 'rookery-migrate',
    });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

function queryOn(client: pg.Client) {
  return async <R extends object>(text: string, values: unknown[] = []): Promise<R[]> =>
    (await client.query<R>(text, values)).rows;
}
