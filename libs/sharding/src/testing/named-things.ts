import type pg from 'pg';
import { newId, type Id } from '@rookery/kernel';
import type { Shards } from '../shards.js';
import { insertThing } from './thing.js';

/** Things whose names are unique in the cluster, by the directory: what its tests do at random. */
export const KIND = 'name';

export interface Named {
  readonly id: Id;
  readonly name: string;
}

const held = (name: string) => ({ kind: KIND, value: name });

export async function register(shards: Shards, name: string, id = newId(randomBelow(4_096))): Promise<Id> {
  await shards.directory.transaction(id, { claim: [held(name)] }, async (tx) => {
    tx.send(insertThing(id, name));
  });
  return id;
}

export async function rename(shards: Shards, { id, name }: Named, to: string): Promise<void> {
  await shards.directory.transaction(id, { claim: [held(to)], release: [held(name)] }, async (tx) => {
    const { rowCount } = await tx.execute({
      text: 'UPDATE thing SET name = $3 WHERE id = $1 AND name = $2',
      values: [id, name, to],
    });
    if (rowCount === 0) throw new Gone();
  });
}

export async function remove(shards: Shards, { id, name }: Named): Promise<void> {
  await shards.directory.transaction(id, { claim: [], release: [held(name)] }, async (tx) => {
    const { rowCount } = await tx.execute({
      text: 'DELETE FROM thing WHERE id = $1 AND name = $2',
      values: [id, name],
    });
    if (rowCount === 0) throw new Gone();
  });
}

/** The row had changed meanwhile. */
export class Gone extends Error {}

export function randomBelow(limit: number): number {
  return Math.floor(Math.random() * limit);
}

export interface Faults {
  /** Names that two rows carry. */
  readonly duplicates: string[];
  /** Names that are still reserved, and operations that are not finished. */
  readonly stuck: string[];
  /** Rows whose name the directory does not know, or knows as another's. */
  readonly unindexed: string[];
  /** Names the directory holds for an owner whose row does not carry them. */
  readonly dangling: string[];
}

export const NO_FAULTS: Faults = { duplicates: [], stuck: [], unindexed: [], dangling: [] };

/** What is wrong between rows and directory, seen by bare connections to every shard. */
export async function faultsOf(clients: readonly pg.Client[]): Promise<Faults & { readonly rows: number }> {
  const all = async <R extends pg.QueryResultRow>(text: string): Promise<R[]> =>
    (await Promise.all(clients.map((client) => client.query<R>(text)))).flatMap(({ rows }) => rows);
  const things = await all<Named>('SELECT id, name FROM thing');
  const entries = await all<{ value: string; owner: string; state: string }>(
    'SELECT value, owner, state FROM rookery_directory',
  );
  const pending = await all<{ operation: string }>(
    'SELECT operation FROM rookery_claim WHERE pending IS NOT NULL',
  );
  const owners = new Map(entries.map(({ value, owner }) => [value, owner]));
  const names = new Map(things.map(({ id, name }) => [id, name]));
  const seen = new Set<string>();
  return {
    rows: things.length,
    duplicates: things.map(({ name }) => name).filter((name) => seen.size === seen.add(name).size),
    stuck: [
      ...entries.filter(({ state }) => state !== 'active').map(({ value }) => value),
      ...pending.map(({ operation }) => operation),
    ],
    unindexed: things.filter(({ id, name }) => owners.get(name) !== id).map(({ name }) => name),
    dangling: entries.filter(({ value, owner }) => names.get(owner) !== value).map(({ value }) => value),
  };
}
