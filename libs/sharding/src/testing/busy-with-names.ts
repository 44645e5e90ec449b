import { setTimeout as pause } from 'node:timers/promises';
import type { Shards } from '../shards.js';
import { Gone, randomBelow, register, remove, rename, type Named } from './named-things.js';
import { shardingErrors } from '../sharding.errors.js';

/** One random change: mostly new names, some renames and deletes. Resolves with what became of it. */
export async function anyChange(
  shards: Shards,
  names: number,
  known: readonly Named[],
): Promise<'done' | 'taken' | 'gone' | 'late'> {
  const name = `name ${randomBelow(names)}`;
  const one = known[randomBelow(known.length)];
  try {
    const dice = Math.random();
    if (!one || dice < 0.5) await register(shards, name);
    else if (dice < 0.8) await rename(shards, one, name);
    else await remove(shards, one);
    return 'done';
  } catch (error) {
    if (shardingErrors.is(error, 'TAKEN')) return 'taken';
    if (shardingErrors.is(error, 'CLAIM_LOST')) return 'late';
    if (error instanceof Gone) return 'gone';
    throw error;
  }
}

/** Sweeps until nothing is left to decide. */
export async function sweepAll(shards: Shards): Promise<void> {
  await pause(shards.directory.leaseMs + 20);
  while ((await shards.directory.sweep()) > 0) await pause(shards.directory.leaseMs + 20);
}
