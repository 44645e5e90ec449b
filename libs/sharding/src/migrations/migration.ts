import { createHash } from 'node:crypto';

/** A change of schema, applied once to every shard, in the order of the list it stands in. */
export interface Migration {
  /** Unique and never reused: `2026-11-22-articles`. */
  readonly id: string;
  /** SQL, run in one transaction per shard. */
  readonly up: string;
  /** False for what cannot run in a transaction (`CREATE INDEX CONCURRENTLY`): it must then be safe to run twice. @default true */
  readonly transactional?: boolean;
}

/** Declares a migration. */
export function defineMigration(migration: Migration): Migration {
  return Object.freeze({ ...migration });
}

/** What is stored beside the id, so that a text changed after it was applied is noticed. */
export function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.up.trim()).digest('hex').slice(0, 32);
}
