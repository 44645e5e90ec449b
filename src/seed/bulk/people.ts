import { slotOfId, type Id } from '@rookery/kernel';
import { shardingErrors, type Shards } from '@rookery/sharding';
import { aliasOf, emailOf } from '../plan/accounts.js';
import { wordsOf } from '../plan/chance.js';
import { fixedId } from '../plan/fixed-id.js';
import * as sql from './bulk.sql.js';
import { SlotRoutes } from './slot-routes.js';

/** A user who is there, and the slot that its id names. */
export interface Person {
  readonly id: Id;
  readonly slot: number;
  /** As it is in the database: another than the planned one where that was somebody else's. */
  readonly username: string;
}

const BATCH = 2_000;
/** Before the first article. */
const REGISTERED_AT = Date.UTC(2018, 11, 1);

/**
 * Makes those of `usernames` that are not there, and says who everyone is. A user is known again by holding both its name
 * and its address, whoever seeded it; where a name is somebody else's, an alias is taken.
 */
export async function bringPeople(
  shards: Shards,
  usernames: readonly string[],
  passwordHash: string,
  onDone: (people: number) => void,
): Promise<Map<string, Person>> {
  const people = new Map<string, Person>();
  for (let from = 0; from < usernames.length; from += BATCH) {
    const wanted = usernames.slice(from, from + BATCH);
    const strangers = await bringBatch(shards, wanted, passwordHash, people, (name) => name);
    if (strangers.length > 0) {
      const left = await bringBatch(shards, strangers, passwordHash, people, aliasOf);
      if (left.length > 0)
        throw shardingErrors.create('TAKEN', { data: { kind: `the name ${aliasOf(left[0]!)}` } });
    }
    onDone(wanted.length);
  }
  return people;
}

/** Gives back the names that are somebody else's. */
async function bringBatch(
  shards: Shards,
  wanted: readonly string[],
  passwordHash: string,
  people: Map<string, Person>,
  nameOf: (wanted: string) => string,
): Promise<string[]> {
  const routes = new SlotRoutes(shards);
  const before = await ownersOf(shards, routes, wanted.map(nameOf));
  const strangers: string[] = [];
  const made: Person[] = [];
  for (const planned of wanted) {
    const username = nameOf(planned);
    const byName = before.get(`username ${username}`);
    const byEmail = before.get(`email ${emailOf(username)}`);
    const id = idOf(username);
    if (byName !== undefined && byName !== id && byName !== byEmail) {
      strangers.push(planned);
      continue;
    }
    const owner = byName ?? id;
    const person = { id: owner, slot: slotOfId(owner), username };
    people.set(planned, person);
    if (owner === id) made.push(person);
  }
  await write(shards, routes, made, passwordHash);
  const after = await ownersOf(
    shards,
    routes,
    made.map(({ username }) => username),
  );
  for (const { id, username } of made) {
    if (after.get(`username ${username}`) !== id || after.get(`email ${emailOf(username)}`) !== id) {
      throw shardingErrors.create('TAKEN', { data: { kind: `the name or address of ${username}` } });
    }
  }
  return strangers;
}

async function write(
  shards: Shards,
  routes: SlotRoutes,
  people: readonly Person[],
  passwordHash: string,
): Promise<void> {
  const values = people.flatMap(({ id, username }) => [
    { kind: 'username', value: username, id },
    { kind: 'email', value: emailOf(username), id },
  ]);
  await onEach(
    routes.group(values, ({ value }) => routes.ofValue(value)),
    (shard, list) =>
      shards.queryShard(
        shard,
        sql.hold(
          list.map(({ kind }) => kind),
          list.map(({ value }) => value),
          list.map(({ id }) => id),
        ),
      ),
  );
  await onEach(
    routes.group(people, ({ id }) => routes.of(id)),
    (shard, list) =>
      shards.queryShard(
        shard,
        sql.addUsers(
          list.map(({ id }) => id),
          list.map(({ username }) => username),
          list.map(({ username }) => emailOf(username)),
          passwordHash,
          REGISTERED_AT,
        ),
      ),
  );
}

/** Owners by `kind value`, as the directory has them. */
async function ownersOf(
  shards: Shards,
  routes: SlotRoutes,
  usernames: readonly string[],
): Promise<Map<string, Id>> {
  const values = usernames.flatMap((username) => [
    { kind: 'username', value: username },
    { kind: 'email', value: emailOf(username) },
  ]);
  const owners = new Map<string, Id>();
  await onEach(
    routes.group(values, ({ value }) => routes.ofValue(value)),
    async (shard, list) => {
      const rows = await shards.queryShard<{ kind: string; value: string; owner: Id }>(
        shard,
        sql.holders(
          list.map(({ kind }) => kind),
          list.map(({ value }) => value),
        ),
      );
      for (const { kind, value, owner } of rows) owners.set(`${kind} ${value}`, owner);
    },
  );
  return owners;
}

function idOf(username: string): Id {
  const [high, low] = wordsOf(username);
  // The slot takes its bits from the half that the rest of the id does not show whole.
  return fixedId(high >>> 20, REGISTERED_AT, high, low);
}

async function onEach<T>(
  groups: ReadonlyMap<string, T[]>,
  work: (shard: string, items: T[]) => Promise<unknown>,
): Promise<void> {
  await Promise.all([...groups].map(([shard, items]) => work(shard, items)));
}

/** Who follows whom, in the followers' slots. */
export async function bringFollows(
  shards: Shards,
  people: ReadonlyMap<string, Person>,
  follows: Iterable<readonly [follower: string, followed: readonly string[]]>,
): Promise<number> {
  const routes = new SlotRoutes(shards);
  let pending: { follower: Id; followed: Id }[] = [];
  let count = 0;
  const flush = async (): Promise<void> => {
    await onEach(
      routes.group(pending, ({ follower }) => routes.of(follower)),
      (shard, list) =>
        shards.queryShard(
          shard,
          sql.addFollows(
            list.map(({ follower }) => follower),
            list.map(({ followed }) => followed),
            REGISTERED_AT,
          ),
        ),
    );
    count += pending.length;
    pending = [];
  };
  for (const [follower, followed] of follows) {
    for (const name of followed) {
      const to = people.get(name)!.id;
      if (to !== people.get(follower)!.id) pending.push({ follower: people.get(follower)!.id, followed: to });
    }
    if (pending.length >= BATCH) await flush();
  }
  if (pending.length > 0) await flush();
  return count;
}
