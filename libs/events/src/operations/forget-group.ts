import type { Shards } from '@rookery/sharding';
import { eventsErrors } from '../events.errors.js';
import { GROUP_LOCK_SPACE } from '../log/log.schema.js';

export interface ForgottenGroup {
  readonly group: string;
  /** Shards that knew it. */
  readonly shards: readonly string[];
  /** Events that were parked in it, and are gone. */
  readonly parked: number;
}

/**
 * Removes what the shards keep of a group that no code has any more: how far it was, and what is parked in it. Its inbox
 * goes with the days it is of; were the group to come back, it would not handle again what that still holds.
 * @throws RK_EVENTS_UNKNOWN_GROUP; _GROUP_IN_USE while a replica handles it: then nothing was changed, unless one came
 * back in the middle of it
 */
export async function forgetGroup(shards: Shards, group: string): Promise<ForgottenGroup> {
  const known: string[] = [];
  for (const shard of shards.shardNames) {
    const [row] = await shards.queryShard<{ known: boolean; alive: string[] }>(shard, standing(group));
    if (row!.alive.length > 0) throw inUse(group, row!.alive);
    if (row!.known) known.push(shard);
  }
  if (known.length === 0) throw eventsErrors.create('UNKNOWN_GROUP', { data: { group } });
  let parked = 0;
  for (const shard of known) {
    parked += await shards.transactionAt(shard, async (tx) => {
      tx.send(lockGroup(group));
      const [row] = await tx.query<{ alive: string[] }>(standing(group));
      if (row!.alive.length > 0) throw inUse(group, row!.alive);
      for (const table of ['rookery_lane', 'rookery_member', 'rookery_suspect']) {
        tx.send({ text: `DELETE FROM ${table} WHERE grp = $1`, values: [group] });
      }
      const gone = await tx.execute({ text: 'DELETE FROM rookery_parked WHERE grp = $1', values: [group] });
      return gone.rowCount;
    });
  }
  return { group, shards: known, parked };
}

/** The lock under which lanes of a group are shared out: nobody takes one meanwhile. */
export function lockGroup(group: string) {
  return { text: 'SELECT pg_advisory_xact_lock($1, hashtext($2))', values: [GROUP_LOCK_SPACE, group] };
}

function standing(group: string) {
  return {
    text: `SELECT EXISTS (SELECT FROM rookery_lane WHERE grp = $1) OR EXISTS (SELECT FROM rookery_member WHERE grp = $1)
             OR EXISTS (SELECT FROM rookery_parked WHERE grp = $1) AS known,
             ARRAY(SELECT replica FROM rookery_member WHERE grp = $1 AND until > clock_timestamp()
                   UNION SELECT owner FROM rookery_lane WHERE grp = $1 AND owner IS NOT NULL AND until > clock_timestamp()) AS alive`,
    values: [group],
  };
}

function inUse(group: string, replicas: readonly string[]): Error {
  return eventsErrors.create('GROUP_IN_USE', { data: { group, replicas: replicas.join(', ') } });
}
