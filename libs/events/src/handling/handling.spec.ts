import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { Deadline, newId, runInContext, type RequestContext } from '@rookery/kernel';
import { defineMigration, natural, type Shards, type ShardTransaction } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { defineEvent } from '../definition/define-event.js';
import type { ReceivedEvent } from '../definition/stored-event.js';
import { eventsErrors } from '../events.errors.js';
import type { Events } from '../events.js';
import type { EventsOptions } from '../events.options.js';
import { eventsSchema } from '../events.schema.js';
import { handling, handlingMany, testEvents, type TestHandler } from '../testing/index.js';

type Line = { key: string; n: number };
const schema = z.object({ key: z.string(), n: z.number() });
const said = defineEvent({ type: 'talk.said', key: ({ key }) => key, schema });
const echoed = defineEvent({ type: 'talk.echoed', key: ({ key }) => key, schema });
const notes = defineMigration({
  id: 'spec-notes',
  up: `CREATE TABLE note (place bigint GENERATED ALWAYS AS IDENTITY, key uuid NOT NULL, n int NOT NULL);
       SELECT rookery_shard_table('note', 'rookery_slot_of(key)', 'key, place');`,
});

type Client = Awaited<ReturnType<TestShards['client']>>;

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await pause(5);
};
/** Parked events are tried for as long as a test goes on, however long it is held up between two of its steps. */
const QUICK = { retries: { firstWaitMs: 1, parkedWaitMs: 10, parked: 100 } };
const SOON_EXHAUSTED = { retries: { ...QUICK.retries, parked: 3 } };

describe('handling', () => {
  let cluster: TestShards;
  let shards: Shards;
  let clients: Client[];
  const running: Events[] = [];
  let wrong: Map<string, (event: ReceivedEvent<Line>) => Promise<void> | void>;

  beforeAll(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: [...eventsSchema, notes] });
    shards = cluster.shards;
    clients = [await cluster.client(0), await cluster.client(1)];
  }, 60_000);
  beforeEach(() => {
    wrong = new Map();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((events) => events.stop()));
    for (const client of clients) {
      await client.query(
        'TRUNCATE note, rookery_event, rookery_inbox, rookery_parked, rookery_lane, rookery_member, rookery_suspect',
      );
    }
  });
  afterAll(() => cluster.close());

  const write = async ({ data }: ReceivedEvent<Line>, tx: ShardTransaction): Promise<void> => {
    tx.send({ text: 'INSERT INTO note (key, n) VALUES ($1, $2)', values: [data.key, data.n] });
    await wrong.get(`${data.n}`)?.({ data } as ReceivedEvent<Line>);
  };
  const writing = (options = {}) => handling(said, { group: 'notes', ...options }, write);
  const start = async (
    handlers: readonly TestHandler[],
    options: Partial<EventsOptions> = QUICK,
    on = shards,
  ) => {
    const events = testEvents(on, handlers, { events: [said, echoed], ...options });
    running.push(events);
    await events.start();
    return events;
  };
  const say = (key: string, ...numbers: number[]) =>
    shards.transaction(key, async (tx) => tx.publish(...numbers.map((n) => said({ key, n }))));
  const noted = async (key: string) =>
    (
      await shards.query<{ n: number }>(key, {
        text: 'SELECT n FROM note WHERE key = $1 ORDER BY place',
        values: [key],
      })
    ).map(({ n }) => n);
  const parked = async () =>
    (
      await shards.scatter<{ n: string; state: string; attempts: number; code: string | null }>({
        text: `SELECT convert_from(payload, 'UTF8')::json->>'n' AS n, state, attempts, code FROM rookery_parked ORDER BY place`,
      })
    ).flat();

  it('holds back only the key of an event that fails, and lets it go on, in order, when it stops failing', async () => {
    const [bad, good] = [newId(9), newId(3_000)];
    let failing = true;
    wrong.set('2', () => {
      if (failing) throw new Error('not yet');
    });
    await start([writing()]);
    await say(bad, 1, 2, 3);
    await say(good, 1, 3, 5);
    await until(async () => (await parked()).length === 2 && (await noted(good)).length === 3);
    expect(await noted(bad)).toEqual([1]);
    expect(await parked()).toMatchObject([
      { n: '2', code: 'Error' },
      { n: '3', attempts: 0, code: null },
    ]);
    await say(bad, 4);
    await until(async () => (await parked()).length === 3);
    failing = false;
    await until(async () => (await noted(bad)).length === 4);
    expect(await noted(bad)).toEqual([1, 2, 3, 4]);
    await until(async () => (await parked()).length === 0);
    await say(bad, 5);
    await until(async () => (await noted(bad)).length === 5);
  });

  it('lets many parked events of a key go on in order, however many digits their places have', async () => {
    const bad = newId(77);
    const numbers = Array.from({ length: 12 }, (_, i) => i + 1);
    let failing = true;
    wrong.set('1', () => {
      if (failing) throw new Error('not yet');
    });
    // So that the places below have one digit and two.
    for (const client of clients) {
      await client.query('ALTER TABLE rookery_parked ALTER COLUMN place RESTART WITH 5');
    }
    await start([writing()]);
    await say(bad, ...numbers);
    await until(async () => (await parked()).length === 12);
    failing = false;
    await until(async () => (await noted(bad)).length === 12);
    expect(await noted(bad)).toEqual(numbers);
  });

  it.each([
    [
      'hold',
      [1],
      [
        { n: '2', state: 'held' },
        { n: '3', state: 'waiting' },
      ],
    ],
    ['skip', [1, 3], [{ n: '2', state: 'skipped' }]],
  ] as const)('when all tries are used up: %s', async (onExhausted, applied, left) => {
    const key = newId(9);
    wrong.set('2', () => {
      throw new Error('never');
    });
    await start([writing({ onExhausted })], SOON_EXHAUSTED);
    await say(key, 1, 2, 3);
    await until(async () => (await parked()).some(({ state }) => state !== 'waiting'));
    await until(
      async () => (await noted(key)).length === applied.length && (await parked()).length === left.length,
    );
    expect(await noted(key)).toEqual(applied);
    expect(await parked()).toMatchObject(left);
  });

  it('parks what it cannot read, of a version or form nobody knows, with its bytes', async () => {
    const key = newId(9);
    const seen: Line[] = [];
    await start([handling(said, { group: 'notes' }, async ({ data }) => void seen.push(data))]);
    const raw = (version: number, payload: string) =>
      clients[0]!.query(
        `INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, payload)
         VALUES (nextval('rookery_event_seq'), pg_current_xact_id(), 9, 'talk', $1, rookery_new_id(9), 'talk.said', $2, $3)`,
        [`${key}${version}`, version, payload],
      );
    await raw(7, '{"key":"k","n":1}');
    await raw(1, 'no json \u0001');
    await until(async () => (await parkedCodes()).length === 2);
    expect(await parkedCodes()).toEqual(['RK_EVENTS_UNDECODABLE', 'RK_EVENTS_UNKNOWN_VERSION']);
    expect(seen).toEqual([]);
  });
  const parkedCodes = async () =>
    (await clients[0]!.query<{ code: string }>('SELECT code FROM rookery_parked ORDER BY code')).rows.map(
      ({ code }) => code,
    );

  it('gives a handler that hangs no more than its time', async () => {
    wrong.set('1', () => new Promise(() => undefined));
    await start([writing({ timeoutMs: 500 })], { retries: { inPlace: 1, parkedWaitMs: 600_000 } });
    await say(newId(9), 1);
    await until(async () => (await parked()).length === 1);
    expect(await parked()).toMatchObject([{ n: '1', code: 'RK_KERNEL_DEADLINE_EXCEEDED' }]);
  });

  it('gives others none of the time of a handler that hangs', async () => {
    const [stuck, free] = [newId(9), newId(9)];
    let begun = false;
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const hang = (): Promise<void> => {
      begun = true;
      return gate;
    };
    wrong.set('1', ({ data }) => (data.key === stuck ? hang() : undefined));
    // Were the others to wait for its end, they would wait longer than this test may take.
    await start([writing({ timeoutMs: 120_000, concurrency: 2 })]);
    await say(stuck, 1);
    await until(() => begun);
    await say(free, 1, 2, 3);
    await until(async () => (await noted(free)).length === 3);
    expect(await noted(stuck)).toEqual([]);
    go();
    await until(async () => (await noted(stuck)).length === 1);
  });

  it('finds the event that fails in a batch, and applies the others once', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => newId(i * 200));
    let failing = true;
    const many = handlingMany(said, { group: 'notes' }, async (events, tx) => {
      for (const { data } of events) {
        if (data.n === 7 && failing) throw new Error('seven');
        tx.send({ text: 'INSERT INTO note (key, n) VALUES ($1, $2)', values: [data.key, data.n] });
      }
    });
    for (const [i, key] of keys.entries()) await say(key, i, i + 100);
    await start([many]);
    await until(async () => (await parked()).length === 2);
    expect((await parked()).map(({ n }) => n)).toEqual(['7', '107']);
    failing = false;
    for (const [i, key] of keys.entries()) {
      await until(async () => (await noted(key)).length === 2);
      expect(await noted(key)).toEqual([i, i + 100]);
    }
  });

  it('applies the effect in the slot it is said to be in, once, wherever the event was published', async () => {
    const [from, to] = [newId(9), newId(4_000)];
    const many: TestHandler = handling(echoed, { group: 'notes', at: () => to }, async ({ data }, tx) => {
      expect(tx.slot).toBe(4_000);
      tx.send({ text: 'INSERT INTO note (key, n) VALUES ($1, $2)', values: [to, data.n] });
    });
    await start([many]);
    await shards.transaction(from, async (tx) =>
      tx.publish(echoed({ key: from, n: 1 }), echoed({ key: from, n: 2 })),
    );
    await until(async () => (await noted(to)).length === 2);
    expect(await noted(to)).toEqual([1, 2]);
  });

  it('delivers an event of later when its time has come, not before', async () => {
    const key = newId(9);
    await start([writing()], { ...QUICK, pollMs: 50 });
    const at = Date.now() + 250;
    await shards.transaction(key, async (tx) => {
      tx.publish(said({ key, n: 2 }, { availableAt: new Date(at) }), said({ key, n: 1 }));
    });
    await until(async () => (await noted(key)).length === 2);
    expect(Date.now()).toBeGreaterThanOrEqual(at);
    expect(await noted(key)).toEqual([1, 2]);
  });

  describe('read after write', () => {
    const [from, to] = [newId(9), newId(4_000)];
    const chain = (wait: () => Promise<void> | void): TestHandler[] => [
      handling(said, { group: 'echo', readAfterWrite: true }, async ({ data }, tx) => {
        await wait();
        tx.publish(echoed({ key: from, n: data.n }));
      }),
      handling(echoed, { group: 'notes', readAfterWrite: true, at: () => to }, async ({ data }, tx) => {
        tx.send({ text: 'INSERT INTO note (key, n) VALUES ($1, $2)', values: [to, data.n] });
      }),
    ];
    const context = (): RequestContext => ({ requestId: 'r', deadline: Deadline.after(30_000) });

    it.each([
      ['by the replica that wrote', true],
      ['by another one', false],
    ])('waits for what came of what was written, applied %s', async (_, itself) => {
      const on = itself ? shards : await cluster.another();
      // What is measured here is that it waits, not how long a loaded machine takes.
      const patient = { ...QUICK, readAfterWriteMs: 30_000 };
      const chained = chain(() => undefined);
      const handler = await start(chained, patient, on);
      const writer = itself ? handler : testEvents(shards, chained, patient);
      for (let n = 1; n <= 5; n++) {
        const request = context();
        await runInContext(request, () => say(from, n));
        expect(writer.settlement.owes(request)).toBe(true);
        expect(await writer.settlement.settle(request)).toEqual([]);
        expect((await noted(to)).at(-1)).toBe(n);
      }
    });

    it('waits no longer than its bound, and says which group is late', async () => {
      let go: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      const events = await start(
        chain(() => gate),
        { ...QUICK, readAfterWriteMs: 60 },
      );
      const request = context();
      await runInContext(request, () => say(from, 1));
      const since = performance.now();
      expect(await events.settlement.settle(request)).toEqual(['echo']);
      // The request itself would have let it wait for three times as long.
      expect(performance.now() - since).toBeLessThan(10_000);
      go();
      await until(async () => (await noted(to)).length === 1);
    });
  });

  it('holds the answer to a write for what must be true at once, and tells of what was committed', async () => {
    const events = await start([writing()]);
    const told: unknown[] = [];
    let done: () => void = () => undefined;
    events.settlement.onCommit((committed) => {
      told.push(...committed.map(({ type, data }) => ({ type, data })));
      return new Promise<void>((resolve) => (done = resolve));
    });
    const key = newId(9);
    const request: RequestContext = { requestId: 'test', deadline: Deadline.after(30_000) };
    await runInContext(request, () =>
      shards.transaction(key, async (tx) => {
        tx.publish(said({ key, n: 1 }));
        await Promise.resolve();
        expect(told).toEqual([]);
      }),
    );
    expect(told).toEqual([{ type: said.type, data: { key, n: 1 } }]);
    let settled = false;
    const settling = events.settlement.settle(request).then(() => (settled = true));
    await new Promise(setImmediate);
    expect(settled).toBe(false);
    done();
    await settling;
    expect(events.settlement.owes(request)).toBe(false);
  });

  it('tries an event for as long as what its handler needs is away, and parks nothing', async () => {
    let tries = 0;
    const heard: number[] = [];
    await start([
      handling(said, { group: 'writers', timeoutMs: 30_000 }, async ({ data }, tx) => {
        tries += 1;
        if (tries < 12) {
          throw eventsErrors.create('DEPENDENCY_AWAY', { data: { group: 'writers', reason: 'a test' } });
        }
        tx.afterCommit(() => heard.push(data.n));
      }),
    ]);
    const key = newId(9);
    await shards.transaction(key, async (tx) => tx.publish(said({ key, n: 1 })));
    await until(() => heard.length === 1);
    expect([tries, (await shards.scatter({ text: 'SELECT FROM rookery_parked' })).flat()]).toEqual([12, []]);
  });

  it('refuses at the call what cannot be published', async () => {
    const events = await start([writing()]);
    const key = newId(9);
    const other = defineEvent({ type: 'talk.unheard', key: () => 'k', schema: z.object({}) });
    expect(() => events.publish(said({ key, n: 1 }))).toThrow(/inside a transaction/);
    expect(() => said({ key, n: 'one' as never })).toThrow(/does not fit its schema: n/);
    expect(() => said({ key: '', n: 1 })).toThrow(/key of talk.said is empty/);
    await shards.transaction(natural('x'), async (tx) => {
      expect(() => tx.publish(other({}))).toThrow(/not declared/);
      expect(() => events.publish(other({}))).toThrow(/not declared/);
    });
    let kept: ShardTransaction | undefined;
    await shards.transaction(key, async (tx) => void (kept = tx));
    expect(() => kept!.publish(said({ key, n: 1 }))).toThrow(/transaction has ended/);
  });
});
