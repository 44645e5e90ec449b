import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { holdEmbeddedPostgres, type EmbeddedServer } from '@rookery/devstack';
import type { DatabaseProvider } from '@rookery/sharding/testing';
import pg from 'pg';

/** A crash of PostgreSQL loses what it has not written, however little the disk is asked; so nothing is flushed here. */
const SETTINGS = { max_connections: '200', fsync: 'off', full_page_writes: 'off', checkpoint_timeout: '1h' };

/** A PostgreSQL server for nobody but the faults, so that they hit no other test. */
export class PostgresSite {
  private readonly leases: EmbeddedServer[] = [];
  private readonly prepared = new Map<string, Promise<string[]>>();
  private pid = 0;

  private constructor(
    private readonly dataDir: string,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  /** @param settings of PostgreSQL, beside those that make it quick */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<PostgresSite> {
    const dataDir = await mkdtemp(join(tmpdir(), 'rookery-faults-'));
    // As root the server is another user's process, which must be able to enter.
    await chmod(dataDir, 0o755);
    const site = new PostgresSite(dataDir, { ...SETTINGS, ...settings });
    await site.hold();
    return site;
  }

  /** For `testShards`. */
  readonly databases: DatabaseProvider = async ({ count, template: { name, prepare } }) => {
    const template = `${name}_${count}`;
    let ready = this.prepared.get(template);
    if (!ready) {
      ready = this.prepare(template, count, prepare);
      this.prepared.set(template, ready);
    }
    const sources = await ready;
    const names = sources.map((_, i) => `t_${randomBytes(6).toString('hex')}_${i + 1}`);
    await this.asAdmin(async (admin) => {
      for (const [i, database] of names.entries()) {
        await admin.query(`CREATE DATABASE ${database} TEMPLATE ${sources[i]!}`);
      }
    });
    const drop = () =>
      this.asAdmin(async (admin) => {
        for (const database of names) await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
      });
    return { urls: names.map((database) => this.urlOf(database)), drop };
  };

  /** Stops the server in order, as an upgrade does, or kills it; then starts it again, on the same port. */
  async restart(how: 'in order' | 'killed'): Promise<void> {
    const { pid } = this;
    process.kill(pid, how === 'killed' ? 'SIGKILL' : 'SIGINT');
    while (isAlive(pid)) await pause(10);
    await this.hold();
  }

  /** Ends sessions in these databases, each with this probability. Gives how many. */
  endSessions(urls: readonly string[], share: number): Promise<number> {
    return this.asAdmin(async (admin) => {
      const { rowCount } = await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND datname = ANY($1::text[]) AND random() < $2`,
        [urls.map((url) => new URL(url).pathname.slice(1)), share],
      );
      return rowCount ?? 0;
    });
  }

  /** Has a transaction with an id of its own open in a database that no shard lives in, for as long as `work` takes. */
  besideOpenTransaction<T>(work: () => Promise<T>): Promise<T> {
    return this.asAdmin(async (admin) => {
      await admin.query('BEGIN');
      await admin.query('SELECT pg_current_xact_id()');
      const result = await work();
      await admin.query('ROLLBACK');
      return result;
    });
  }

  /** Stops the server and removes its data. */
  async stop(): Promise<void> {
    for (const lease of this.leases) await lease.release();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async hold(): Promise<void> {
    const { dataDir, settings } = this;
    this.leases.push(await holdEmbeddedPostgres({ dataDir, databases: [], settings }));
    // Known beforehand, so that whoever kills it does so at once.
    this.pid = await this.asAdmin(async (admin) => {
      const { rows } = await admin.query<{ pid: string }>(
        "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1) AS pid",
      );
      return Number(rows[0]!.pid);
    });
  }

  private async prepare(
    template: string,
    count: number,
    prepare: (urls: string[]) => Promise<void>,
  ): Promise<string[]> {
    const names = Array.from({ length: count }, (_, i) => `${template}_${i + 1}`);
    await this.asAdmin(async (admin) => {
      for (const name of names) await admin.query(`CREATE DATABASE ${name}`);
    });
    await prepare(names.map((name) => this.urlOf(name)));
    return names;
  }

  private urlOf(database: string): string {
    return this.leases[0]!.adminUrl.replace(/[^/]*$/, database);
  }

  private async asAdmin<T>(work: (admin: pg.Client) => Promise<T>): Promise<T> {
    const admin = new pg.Client({ connectionString: this.leases.at(-1)!.adminUrl });
    // A session that the server ends fails its query, too.
    admin.on('error', () => undefined);
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.end().catch(() => undefined);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
