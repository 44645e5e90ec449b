import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { defineEvent, eventsSchema, type Events } from '@rookery/events';
import { handling, testEvents } from '@rookery/events/testing';
import { atSlot } from '@rookery/sharding';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import type { CliCommand } from '../cli.options.js';
import { runCli } from '../run-cli.js';
import type { ShardedSite } from '../sharded-site.js';
import { eventsGroups } from './events-groups.js';
import { eventsParked } from './events-parked.js';
import { eventsReplay } from './events-replay.js';
import { eventsSkip } from './events-skip.js';

const noted = defineEvent({
  type: 'spec.noted',
  key: ({ name }) => name,
  schema: z.object({ name: z.string(), n: z.number() }),
});
const SLOTS = { ada: 7, bob: 4_000 } as const;
const COMMANDS = [eventsGroups, eventsParked, eventsReplay, eventsSkip];

let cluster: TestShards;
const running: Events[] = [];

beforeAll(async () => {
  cluster = await testShards({
    databases: testDatabases,
    migrations: eventsSchema,
    defaultDeadlineMs: 30_000,
    connectTimeoutMs: 20_000,
  });
}, 60_000);
afterEach(async () => {
  await Promise.all(running.splice(0).map((events) => events.stop()));
  await cluster.shards.scatter({
    text: 'TRUNCATE rookery_event, rookery_inbox, rookery_parked, rookery_lane, rookery_member',
  });
});
afterAll(() => cluster.close());

async function rookery(line: string, commands: readonly CliCommand<ShardedSite>[] = COMMANDS) {
  let out = '';
  let err = '';
  const code = await runCli(line.split(' '), {
    summary: 'spec',
    version: '0',
    groups: {},
    commands,
    open: () => Promise.resolve({ sharding: cluster.options, close: () => Promise.resolve() }),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await pause(5);
};

/**
 * A replica whose handler fails for as long as `broken` holds.
 * @param leaseMs a replay waits for two thirds of it; whoever does not is not to lose a lane while the machine is held up
 */
async function replica(broken: (n: number) => boolean = () => false, leaseMs = 15_000) {
  const seen: number[] = [];
  const events = testEvents(
    cluster.shards,
    [
      handling(noted, { group: 'notes' }, async ({ data }, tx) => {
        if (broken(data.n)) throw new Error(`no ink for ${data.n}`, { cause: new Error('the well is dry') });
        tx.afterCommit(() => seen.push(data.n));
      }),
    ],
    { leaseMs, pollMs: 100, replicaId: 'r1', retries: { inPlace: 1, parkedWaitMs: 60_000 } },
  );
  running.push(events);
  await events.start();
  await until(() => Object.values(events.lanes()).every(({ notes }) => notes?.length === 16));
  return { seen, events };
}

const note = (n: number, name: keyof typeof SLOTS = 'ada') =>
  cluster.shards.transaction(atSlot(SLOTS[name]), async (tx) => tx.publish(noted({ name, n })));
const parkedIds = async (): Promise<string[]> =>
  (
    await cluster.shards.scatter<{ id: string }>({ text: `SELECT id FROM rookery_parked ORDER BY place` })
  ).flatMap((rows) => rows.map(({ id }) => id));

describe('rookery events groups', () => {
  it('shows who reads what, how far behind, and what is parked; and by shard', async () => {
    expect((await rookery('events groups')).out).toMatch(/^no group yet/);
    const { events } = await replica((n) => n === 2);
    for (const n of [1, 2, 3]) await note(n);
    await note(4, 'bob');
    await until(async () => (await parkedIds()).length === 2);
    await until(async () => (await rookery('events groups')).out.includes(' 0       – '));
    const { code, out } = await rookery('events groups --shards');
    expect(code).toBe(0);
    expect(out).toMatch(/^notes +all +32\/32 +1 +0 +– +1 +2 +0$/m);
    expect(out).toMatch(/^ +s1 +16\/16 +1 +0 +– +1 +2 +0$/m);
    expect(out).toMatch(/^ +s2 +16\/16 +1 +0 +– +0 +0 +0$/m);
    expect(out).toContain('! look at what is parked: `rookery events parked notes`');
    await events.stop();
    for (const n of [5, 6]) await note(n, 'bob');
    const left = await rookery('events groups');
    expect(left.out).toMatch(/^notes +0\/32 +0 +≤2 +[\d.]+ (ms|s|min) +1 +2 +0$/m);
    expect(left.out).toContain('! nobody handles notes');
    const { groups } = JSON.parse((await rookery('events groups --json')).out) as { groups: object[] };
    expect(groups).toMatchObject([
      {
        group: 'notes',
        lanes: { owned: 0, free: 32 },
        behind: { events: 2, more: false, typesKnown: false },
        parked: { keys: 1, events: 2, held: 0 },
        shards: [{ shard: 's1' }, { shard: 's2' }],
      },
    ]);
  });

  it('stops counting, so that it stays cheap', async () => {
    const { events } = await replica();
    await events.stop();
    await cluster.shards.queryShard('s1', {
      text: `WITH mover AS (SELECT set_config('rookery.slot', 'mover', false))
        INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, payload)
        SELECT nextval('rookery_event_seq'), pg_current_xact_id(), 7, 'spec', 'ada', rookery_new_id(7), 'spec.noted', 1, '{}'
        FROM mover, generate_series(1, 10001)`,
    });
    expect((await rookery('events groups')).out).toMatch(/ ≤10,000\+ /);
  });

  it('forgets a group that nobody handles any more, and no other', async () => {
    const { events } = await replica(() => true);
    await note(1);
    await until(async () => (await parkedIds()).length === 1);
    const parked = await rookery('events groups --forget notes');
    expect(parked).toMatchObject({ code: 1, out: '' });
    expect(parked.err).toContain('1 key of notes is parked');
    const alive = await rookery('events groups --forget notes --yes');
    expect(alive).toMatchObject({ code: 1, out: '' });
    expect(alive.err).toMatch(/group notes is handled by r1.*RK_EVENTS_GROUP_IN_USE/);
    await events.stop();
    expect((await rookery('events groups --forget notes --yes')).out).toBe(
      '✓ forgot notes on s1, s2, and 1 parked event with it\n',
    );
    expect((await rookery('events groups')).out).toMatch(/^no group yet/);
    expect((await rookery('events groups --forget notes')).err).toContain('RK_EVENTS_UNKNOWN_GROUP');
  });
});

describe('rookery events parked, replay and skip', () => {
  it('show what failed and what waits behind it, and one of them in full', async () => {
    await replica((n) => n === 1);
    for (const n of [1, 2]) await note(n);
    await note(1, 'bob');
    await until(async () => (await parkedIds()).length === 3);
    const [id] = await parkedIds();
    const list = await rookery('events parked notes');
    expect(list.out).toMatch(/^2 keys parked, 1 event behind them\n/);
    expect(list.out).toContain(`waiting  notes  spec.noted  ${id}  key ada\n`);
    expect(list.out).toMatch(
      /failed [\d.]+ (ms|s|min) ago, tried once · next try in [\d.]+ (s|min) · 1 event behind it\n {2}Error: no ink for 1\n/,
    );
    expect(list.out).toMatch(/\nrookery events skip notes --id \S+ +go on without it\n$/);
    expect((await rookery('events parked other')).out).toBe('nothing is parked in other\n');

    const { out } = await rookery(`events parked --show ${id}`);
    expect(out).toMatch(/^published +20\d\d-.* UTC, .* ago$/m);
    expect(out).toContain('{\n  "name": "ada",\n  "n": 1\n}');
    expect(out).toContain('Error: no ink for 1\n    at ');
    expect(out).toContain('caused by: Error: the well is dry\n    at ');
    expect(JSON.parse((await rookery(`events parked --show ${id} --json`)).out)).toMatchObject({
      events: [{ id, group: 'notes', payload: { name: 'ada', n: 1 }, attempts: 1, behind: 1 }],
    });
    expect(await rookery('events parked --show nonsense')).toMatchObject({ code: 2, out: '' });
  });

  it('try again what is chosen, once a dry run has shown it', async () => {
    let broken = true;
    const { seen } = await replica((n) => broken && n <= 2);
    for (const n of [1, 3]) await note(n);
    for (const n of [2, 4]) await note(n, 'bob');
    await until(async () => (await parkedIds()).length === 4);
    broken = false;
    const dry = await rookery('events replay notes --all --dry-run');
    expect(dry.out).toMatch(/\nwould try again: 2 events, then 2 events behind; nothing was changed\n$/);
    const [, behind] = await parkedIds();
    const one = await rookery(`events replay notes --id ${behind}`);
    expect(one.out).toMatch(
      / waits behind .*: that one goes first\n\n✓ due again now: 1 event, then 1 event behind\n$/s,
    );
    await until(() => seen.length === 2);
    expect(seen).toEqual([1, 3]);
    await rookery('events replay notes --key bob');
    await until(() => seen.length === 4);
    expect(seen).toEqual([1, 3, 2, 4]);
    // An event is applied a moment before it is out of the parking lot.
    await until(async () => (await parkedIds()).length === 0);
    expect((await rookery('events replay notes --all')).out).toBe('nothing is parked in notes\n');
    expect((await rookery('events replay notes --key bob')).err).toContain('RK_EVENTS_NOT_PARKED');
    for (const line of [
      'events replay notes',
      'events replay notes --all --key bob',
      'events replay notes --id x',
    ])
      expect(await rookery(line)).toMatchObject({ code: 2, out: '' });
  });

  it('go on without one that is skipped, and take it up after all', async () => {
    let broken = true;
    const { seen } = await replica((n) => broken && n === 1);
    for (const n of [1, 2]) await note(n);
    await until(async () => (await parkedIds()).length === 2);
    const [id] = await parkedIds();
    expect((await rookery(`events skip notes --id ${id}`)).out).toBe(
      '✓ skipped spec.noted of ada in notes; 1 event of its key goes on\n',
    );
    await until(() => seen.length === 1);
    await until(async () => (await parkedIds()).length === 1);
    expect((await rookery('events parked')).out).toBe('nothing is parked\n');
    expect((await rookery(`events skip notes --id ${id}`)).err).toContain('RK_EVENTS_NOT_PARKED');
    broken = false;
    await rookery(`events replay notes --id ${id}`);
    await until(() => seen.length === 2);
    expect(seen).toEqual([2, 1]);
  });
});

describe('rookery events replay --from', () => {
  it('shows how much it would bring again, asks whether that is meant, and does it', async () => {
    const { seen } = await replica(() => false, 3_000);
    for (const n of [1, 2]) await note(n);
    await until(() => seen.length === 2);
    const dry = await rookery('events replay notes --from 2026-01-01 --dry-run');
    expect(dry.out).toMatch(/\nnotes would handle 2 events again; nothing was changed\n$/);
    const asked = await rookery('events replay notes --from 2026-01-01');
    expect(asked).toMatchObject({ code: 1, out: '' });
    expect(asked.err).toMatch(/2 events once more, effects included: .*--dry-run.*--yes/);
    const done = await rookery('events replay notes --from 2026-01-01T00:00:00Z --yes');
    expect(done.code).toBe(0);
    expect(done.out).toMatch(/✓ notes handles 2 events again/);
    expect(done.err).toContain('waiting for r1 to let go\n');
    await until(() => seen.length === 4);
    expect(seen).toEqual([1, 2, 1, 2]);
    for (const time of ['yesterday', '2026-13-01', '01/02/2026'])
      expect(await rookery(`events replay notes --yes --from ${time}`)).toMatchObject({ code: 2, out: '' });
  });
});
