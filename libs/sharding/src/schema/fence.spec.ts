import { testDatabases } from '@rookery/devstack/testing';
import type pg from 'pg';
import { Deadline, newId, noopMeter, runInContext, slotOfId, type Id, type Labels } from '@rookery/kernel';
import { defineMigration } from '../migrations/migration.js';
import type { Shards } from '../shards.js';
import { testShards, type TestShards } from '../testing/test-shards.js';
import { endSoon, STEADY } from '../testing/time.js';
import { insertThing, renameThing, Thing, thingById, things } from '../testing/thing.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** How often a transaction of this file found its slot closed. */
let closedSlots = 0;
/** A replica that hears of no change by itself: only a refusal tells it. */
const STALE = {
  ...STEADY,
  meter: {
    ...noopMeter,
    counter: ({ name }: { name: string }) => ({
      add: (_: number | undefined, labels?: Labels) => {
        if (name !== 'rookery_sharding_transaction_retries_total') return;
        if (labels?.reason === 'slot-closed') closedSlots += 1;
      },
    }),
  },
};
const DEAF = `CREATE OR REPLACE FUNCTION rookery_slot_changed() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE rookery_slot_version SET version = version + 1; RETURN NULL; END $$`;

/** A table whose inserts are fenced one row at a time. */
const lines = defineMigration({
  id: 'line-0001',
  up: `CREATE TABLE line (id uuid PRIMARY KEY, name text NOT NULL);
       SELECT rookery_shard_table('line', 'rookery_slot_of(id)', 'id');
       SELECT rookery_fence_inserts_by_row('line');`,
});

/** Slots of the first shard, one per test. */
let nextSlot = 100;
const freshSlot = () => (nextSlot += 1);

let cluster: TestShards;
let source: pg.Client;
let target: pg.Client;

beforeAll(async () => {
  cluster = await testShards({
    databases: testDatabases,
    migrations: [things, lines],
    entities: [Thing],
    ...STALE,
  });
  [source, target] = await Promise.all([cluster.client(0), cluster.client(1)]);
  // The stale routers of these tests are not told either.
  for (const client of [source, target]) await client.query(DEAF);
}, 60_000);
afterAll(() => cluster.close());

async function close(slot: number): Promise<void> {
  await source.query(`UPDATE rookery_slot SET state = 'closed' WHERE slot = $1`, [slot]);
}

/** What a person does who moves a slot by hand: the source is closed already. */
async function handOver(slot: number): Promise<void> {
  const { rows } = await source.query<{ id: string; name: string }>(
    'SELECT id, name FROM thing WHERE shard_slot = $1',
    [slot],
  );
  await target.query('BEGIN');
  await target.query(`SET LOCAL rookery.slot = 'mover'`);
  await target.query(
    `INSERT INTO thing (id, name) SELECT id, name FROM json_to_recordset($1::json) AS x(id uuid, name text)`,
    [JSON.stringify(rows)],
  );
  await target.query(`INSERT INTO rookery_slot (slot, epoch, state) VALUES ($1, 2, 'open')`, [slot]);
  await target.query('COMMIT');
  await source.query('BEGIN');
  await source.query(`SET LOCAL rookery.slot = 'mover'`);
  await source.query(`UPDATE rookery_map SET shard = 's2', epoch = 2 WHERE slot = $1`, [slot]);
  await source.query('DELETE FROM thing WHERE shard_slot = $1', [slot]);
  await source.query('DELETE FROM rookery_slot WHERE slot = $1', [slot]);
  await source.query('COMMIT');
}

async function insert(shards: Shards, id: Id, name: string): Promise<void> {
  await shards.transaction(id, async (tx) => tx.send(insertThing(id, name)));
}

const rename = (shards: Shards, id: Id, name: string) =>
  shards.transaction(id, async (tx) => (await tx.execute(renameThing(id, name))).rowCount);

const namesOn = async (client: pg.Client, id: Id) =>
  (await client.query<{ name: string }>(thingById(id) as pg.QueryConfig)).rows.map(({ name }) => name);

const locked = async (client: pg.Client) =>
  (
    await client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND classid = 7734 AND NOT granted`,
    )
  ).rows[0]!.n;

describe('the guard in BEGIN', () => {
  it('is needed: without it a stale router acknowledges an update that reached no row', async () => {
    const slot = freshSlot();
    const id = newId(slot);
    await insert(cluster.shards, id, 'before');
    const unguarded = await cluster.another({}, { guarded: false });
    const guarded = await cluster.another();
    await close(slot);
    await handOver(slot);
    expect(await rename(unguarded, id, 'lost')).toBe(0);
    expect(await namesOn(target, id)).toEqual(['before']);
    expect(await rename(guarded, id, 'kept')).toBe(1);
    expect(await namesOn(target, id)).toEqual(['kept']);
    expect(await namesOn(source, id)).toEqual([]);
    await unguarded.close();
    await guarded.close();
  });

  it.each(['repeatable read', 'serializable'] as const)(
    'does not miss a change of ownership under an older snapshot (%s)',
    async (isolation) => {
      const slot = freshSlot();
      const id = newId(slot);
      await insert(cluster.shards, id, 'before');
      // The snapshot is taken before the slot leaves, the guard is asked after.
      const writer = await cluster.client(0);
      await writer.query(`BEGIN ISOLATION LEVEL ${isolation}`);
      await writer.query('SELECT FROM thing LIMIT 1');
      await close(slot);
      await expect(writer.query(`SELECT rookery_begin(${slot}, 1, 5000)`)).rejects.toMatchObject({
        code: '40001',
      });
      await writer.query('ROLLBACK');
      await handOver(slot);
      const moved = cluster.shards.transaction(
        id,
        async (tx) => (await tx.execute(renameThing(id, isolation))).rowCount,
        { isolation },
      );
      expect(await moved).toBe(1);
      expect(await namesOn(target, id)).toEqual([isolation]);
    },
  );

  it('holds its slot until the transaction ends: a close typed by hand waits for it, and for no other', async () => {
    const slot = freshSlot();
    const other = freshSlot();
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (finish = resolve));
    let began: () => void = () => undefined;
    const beginning = new Promise<void>((resolve) => (began = resolve));
    const writer = cluster.shards.transaction(newId(slot), async (tx) => {
      await tx.execute(insertThing(newId(slot), 'open'));
      began();
      await held;
    });
    await beginning;
    await close(other);
    let closed = false;
    const closing = close(slot).then(() => (closed = true));
    const watcher = await cluster.client(0);
    while ((await locked(watcher)) === 0) await pause(2);
    expect(closed).toBe(false);
    // Whoever comes while the close waits, waits behind it, and finds the slot closed.
    const deadline = Deadline.after(60_000);
    const late = cluster.shards
      .transaction(newId(slot), (tx) => tx.execute(insertThing(newId(slot), 'late')), { deadline })
      .catch((error: unknown) => error);
    while ((await locked(watcher)) < 2) await pause(2);
    const before = closedSlots;
    finish();
    await writer;
    await closing;
    while (closedSlots === before) await pause(2);
    endSoon(deadline);
    expect(await late).toMatchObject({ code: 'RK_SHARDING_SLOT_CLOSED' });
  });

  it('is never the other half of a deadlock with a close, at any isolation level', async () => {
    const slot = freshSlot();
    const client = await cluster.client(0);
    let stop = false;
    const guards = ['read committed', 'repeatable read', 'repeatable read', 'repeatable read'].map(
      async (isolation) => {
        const writer = await cluster.client(0);
        while (!stop) {
          await writer.query(`BEGIN ISOLATION LEVEL ${isolation}`);
          const outcome = await writer.query(`SELECT rookery_begin(${slot}, 1, 60000)`).then(
            () => 'open',
            (error: { code?: string }) => error.code,
          );
          // Open, closed, or closed since the snapshot: never a deadlock.
          expect(['open', 'RK002', '40001']).toContain(outcome);
          await writer.query('ROLLBACK');
        }
      },
    );
    for (let i = 0; i < 400; i++) {
      const state = i % 2 ? 'open' : 'closed';
      await client.query(`UPDATE rookery_slot SET state = '${state}' WHERE slot = $1`, [slot]);
    }
    stop = true;
    await Promise.all(guards);
  });

  it('waits for a slot that was closed before it, even after a call with a very short deadline', async () => {
    const slot = freshSlot();
    const shards = await cluster.another({ poolMax: 1 });
    const ask = () => shards.query(newId(slot), { text: 'SELECT 1' });
    await ask();
    // Whether it is answered in time does not matter here, only the timeout it leaves in the session.
    await runInContext({ requestId: 'short', deadline: Deadline.after(60) }, ask).then(
      () => undefined,
      (error: unknown) => expect(error).toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED' }),
    );
    const holder = await cluster.client(0);
    await holder.query('BEGIN');
    await holder.query(`SELECT pg_advisory_xact_lock(7734, ${slot})`);
    const writing = insert(shards, newId(slot), 'patient');
    await pause(300);
    await holder.query('COMMIT');
    await writing;
    await shards.close();
  });
});

describe('a closed slot', () => {
  it('makes callers wait, and serves them when it opens inside their deadline', async () => {
    const slot = freshSlot();
    await close(slot);
    let done = 0;
    const writing = Promise.all(
      Array.from({ length: 5 }, () => insert(cluster.shards, newId(slot), 'x').then(() => (done += 1))),
    );
    await pause(150);
    expect(done).toBe(0);
    await source.query(`UPDATE rookery_slot SET state = 'open' WHERE slot = $1`, [slot]);
    await writing;
  });

  it('is told with when to try again, at the deadline', async () => {
    const slot = freshSlot();
    await close(slot);
    const deadline = Deadline.after(60_000);
    const before = closedSlots;
    let over = false;
    const told = expect(
      cluster.shards
        .transaction(newId(slot), () => Promise.resolve(), { deadline })
        .finally(() => (over = true)),
    ).rejects.toMatchObject({ code: 'RK_SHARDING_SLOT_CLOSED', status: 503, retryAfterSeconds: 1 });
    // It goes on trying for as long as it has time, and no longer.
    while (closedSlots < before + 3) await pause(2);
    expect(over).toBe(false);
    const since = performance.now();
    endSoon(deadline);
    await told;
    expect(performance.now() - since).toBeLessThan(10_000);
  });

  it('is told so, too, when the last try has no answer by the deadline', async () => {
    const slot = freshSlot();
    await close(slot);
    const deadline = Deadline.after(60_000);
    const before = closedSlots;
    const told = expect(
      cluster.shards.transaction(newId(slot), (tx) => tx.execute({ text: 'SELECT 1' }), { deadline }),
    ).rejects.toMatchObject({ code: 'RK_SHARDING_SLOT_CLOSED' });
    while (closedSlots === before) await pause(2);
    const holder = await cluster.client(0);
    await holder.query('BEGIN');
    await holder.query(`SELECT pg_advisory_xact_lock(7734, ${slot})`);
    while ((await locked(source)) === 0) await pause(2);
    endSoon(deadline);
    await told;
    await holder.query('COMMIT');
  });
});

describe('the triggers', () => {
  it('refuse a row of another slot than the transaction is on', async () => {
    const [slot, other] = [freshSlot(), freshSlot()];
    const id = newId(slot);
    await insert(cluster.shards, id, 'mine');
    const foreign = newId(other);
    await insert(cluster.shards, foreign, 'theirs');
    const inSlot = (text: string, ...values: unknown[]) =>
      cluster.shards.transaction(id, async (tx) => tx.send({ text, values }));
    for (const attempt of [
      inSlot('INSERT INTO thing (id, name) VALUES ($1, $2)', newId(other), 'x'),
      inSlot('UPDATE thing SET name = $2 WHERE id = ANY($1)', [id, foreign], 'x'),
      inSlot('DELETE FROM thing WHERE id = $1', foreign),
    ]) {
      await expect(attempt).rejects.toMatchObject({ code: 'RK_SHARDING_FOREIGN_SLOT' });
    }
    expect(await namesOn(source, foreign)).toEqual(['theirs']);
    expect(await namesOn(source, id)).toEqual(['mine']);
  });

  it('are needed: without them a statement from beside the library lands on the old owner', async () => {
    const slot = freshSlot();
    await insert(cluster.shards, newId(slot), 'before');
    await close(slot);
    await handOver(slot);
    const raw = (id = newId(slot)) => source.query(insertThing(id, 'stray') as pg.QueryConfig);
    await expect(raw()).rejects.toMatchObject({ code: 'RK001' });
    await source.query('ALTER TABLE thing DISABLE TRIGGER USER');
    const id = newId(slot);
    await raw(id);
    expect(await namesOn(source, id)).toEqual(['stray']);
    await source.query('ALTER TABLE thing ENABLE TRIGGER USER');
    await expect(raw()).rejects.toMatchObject({ code: 'RK001' });
  });

  it('hold a slot under a writer from beside the library too, at every isolation level', async () => {
    for (const isolation of ['read committed', 'repeatable read']) {
      const slot = freshSlot();
      const writer = await cluster.client(0);
      await writer.query(`BEGIN ISOLATION LEVEL ${isolation}`);
      await writer.query('SELECT FROM thing LIMIT 1');
      await writer.query('INSERT INTO thing (id, name) VALUES ($1, $2)', [newId(slot), 'raw']);
      let closed = false;
      const closing = close(slot).then(() => (closed = true));
      await pause(50);
      expect(closed).toBe(false);
      await writer.query('COMMIT');
      await closing;
      await writer.query(`BEGIN ISOLATION LEVEL ${isolation}`);
      await expect(
        writer.query('INSERT INTO thing (id, name) VALUES ($1, $2)', [newId(slot), 'late']),
      ).rejects.toMatchObject({ code: 'RK001' });
      await writer.query('ROLLBACK');
    }
  });

  it('miss no change of ownership under an older snapshot', async () => {
    const slot = freshSlot();
    const writer = await cluster.client(0);
    await writer.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await writer.query('SELECT FROM thing LIMIT 1');
    await close(slot);
    await expect(
      writer.query('INSERT INTO thing (id, name) VALUES ($1, $2)', [newId(slot), 'late']),
    ).rejects.toMatchObject({ code: '40001' });
    await writer.query('ROLLBACK');
  });
});

describe('the trigger of one row', () => {
  const INSERT = 'INSERT INTO line (id, name) SELECT id, $2 FROM unnest($1::uuid[]) id';

  it('refuses rows of another slot than the transaction is on, wherever they stand', async () => {
    const [slot, other] = [freshSlot(), freshSlot()];
    const insertAll = (...ids: Id[]) =>
      cluster.shards.transaction(newId(slot), async (tx) => tx.send({ text: INSERT, values: [ids, 'x'] }));
    await expect(insertAll(newId(slot), newId(slot), newId(other))).rejects.toMatchObject({
      code: 'RK_SHARDING_FOREIGN_SLOT',
    });
    const { rows } = await source.query('SELECT FROM line WHERE shard_slot = ANY($1)', [[slot, other]]);
    expect(rows).toHaveLength(0);
    await insertAll(newId(slot), newId(slot));
  });

  it.each(['read committed', 'repeatable read'])(
    'holds the slots of a writer from beside the library, and refuses closed ones, under %s',
    async (isolation) => {
      const [slot, other] = [freshSlot(), freshSlot()];
      const writer = await cluster.client(0);
      await writer.query(`BEGIN ISOLATION LEVEL ${isolation}`);
      await writer.query(INSERT, [[newId(other), newId(slot)], 'raw']);
      let closed = false;
      const closing = close(slot).then(() => (closed = true));
      await pause(50);
      expect(closed).toBe(false);
      await writer.query('COMMIT');
      await closing;
      const late = writer.query(INSERT, [[newId(other), newId(slot)], 'late']);
      await expect(late).rejects.toMatchObject({ code: 'RK001' });
    },
  );

  it('lets who moves a slot write it where it is not open', async () => {
    const slot = freshSlot();
    await close(slot);
    const mover = await cluster.client(0);
    await mover.query('BEGIN');
    await mover.query(`SET LOCAL rookery.slot = 'mover'`);
    const { rowCount } = await mover.query(INSERT, [[newId(slot)], 'moved']);
    expect(rowCount).toBe(1);
    await mover.query('ROLLBACK');
  });
});

describe('no-write-lands-on-the-old-owner', () => {
  it('when slots are moved by hand under a running, stale router with concurrent writers', async () => {
    const slots = Array.from({ length: 6 }, freshSlot);
    const router = await cluster.another({ poolMax: 8 });
    const acknowledged = new Map<Id, string>();
    const errors: unknown[] = [];
    const late = new Set<Id>();
    const moved = new Set<number>();
    let stop = false;
    const known: Id[] = [];
    const writer = async (n: number) => {
      for (let i = 0; !stop; i++) {
        const slot = slots[(n + i) % slots.length]!;
        try {
          if (i % 3 === 2 && known.length > 0) {
            const id = known[(i * 7 + n) % known.length]!;
            const name = `renamed ${n} ${i}`;
            // Only this writer renames what it made, so the last acknowledged name is the one that stands.
            if ((acknowledged.get(id) ?? '').endsWith(`by ${n}`)) {
              expect(await rename(router, id, `${name} by ${n}`)).toBe(1);
              acknowledged.set(id, `${name} by ${n}`);
            }
            continue;
          }
          const id = newId(slot);
          const after = moved.has(slot);
          await insert(router, id, `made by ${n}`);
          acknowledged.set(id, `made by ${n}`);
          known.push(id);
          if (after) late.add(id);
        } catch (error) {
          errors.push(error);
        }
      }
    };
    const writers = Array.from({ length: 8 }, (_, n) => writer(n));
    /** Until so many more rows were written, however fast this machine is. */
    const writtenMore = async (count: number) => {
      const until = acknowledged.size + count;
      while (acknowledged.size < until && errors.length === 0) await pause(2);
    };
    for (const slot of slots) {
      await writtenMore(40);
      await close(slot);
      await handOver(slot);
      moved.add(slot);
    }
    await writtenMore(40);
    while (late.size === 0 && errors.length === 0) await pause(2);
    stop = true;
    await Promise.all(writers);
    expect(errors).toEqual([]);
    const { rows: here } = await target.query<{ id: string; name: string }>(
      'SELECT id, name FROM thing WHERE shard_slot = ANY($1)',
      [slots],
    );
    const { rows: left } = await source.query('SELECT id FROM thing WHERE shard_slot = ANY($1)', [slots]);
    expect(left).toEqual([]);
    const names = new Map(here.map(({ id, name }) => [id, name]));
    const lost = [...acknowledged].filter(([id, name]) => names.get(id) !== name);
    expect(lost).toEqual([]);
    for (const id of late) expect(await router.shardOf(id)).toBe('s2');
    expect(slots).toContain(slotOfId([...late][0]!));
    await router.close();
  });
});
