import { devstackErrors } from './devstack.errors.js';

export interface EmbeddedPostgresOptions {
  /** Folder of this checkout's data; PostgreSQL lives in `<dataDir>/postgres`. Relative to the working directory. */
  readonly dataDir: string;
  /** Databases that must exist; the server's `urls` come in this order. Made when missing, never emptied. */
  readonly databases: readonly string[];
  /** Told in one line what is being done, for a person who waits. @default nothing is told */
  readonly onProgress?: (line: string) => void;
  /**
   * Settings of PostgreSQL beside or instead of the defaults (see the README). Of no effect on a server that another process
   * has started already. @default {}
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Milliseconds the server has to take connections, and another process's start or stop to end. @default 60000 */
  readonly startTimeoutMs?: number;
}

/**
 * Names of the databases that stand for the embedded shards, so that every process of a site agrees: `conduit_1`, `conduit_2`, …
 * @throws RK_DEVSTACK_BAD_OPTIONS unless `count` is an integer from 1 to 64.
 */
export function embeddedDatabaseNames(count: number, prefix: string): string[] {
  if (!Number.isInteger(count) || count < 1 || count > 64) {
    throw badOptions(`the number of databases must be an integer from 1 to 64, not ${count}`);
  }
  return Array.from({ length: count }, (_, index) => `${prefix}_${index + 1}`);
}

const DATABASE_NAME = /^[a-z_][a-z0-9_]{0,62}$/;
const SETTING_NAME = /^[a-z_][a-z0-9_.]*$/i;

/** @throws RK_DEVSTACK_BAD_OPTIONS before anything is touched. */
export function checkOptions(options: EmbeddedPostgresOptions): void {
  const bad = options.databases.find((name) => !DATABASE_NAME.test(name));
  if (bad !== undefined) {
    throw badOptions(`'${bad}' is no name for a database here (lower-case letters, digits, _; at most 63)`);
  }
  const setting = Object.entries(options.settings ?? {}).find(
    ([name, value]) => !SETTING_NAME.test(name) || /[\0\n]/.test(value),
  );
  if (setting) throw badOptions(`'${setting[0]}' is no setting of PostgreSQL`);
  const limit = options.startTimeoutMs;
  if (limit !== undefined && !(limit > 0)) throw badOptions(`startTimeoutMs must be positive, not ${limit}`);
}

function badOptions(reason: string): Error {
  return devstackErrors.create('BAD_OPTIONS', { data: { reason } });
}
