import { testDatabases } from '@rookery/devstack/testing';
import { defineProcess, eventsSchema } from '@rookery/events';
import { newId, type Id } from '@rookery/kernel';
import type { ShardingOptions } from '@rookery/sharding';
import { testEvents } from '@rookery/events/testing';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { runCli } from '../run-cli.js';
import { eventsProcesses } from './events-processes.js';

const removal = defineProcess({ name: 'removal', state: z.object({ round: z.number() }) });
const review = defineProcess({ name: 'review', state: z.object({}) });
/** A port that nothing listens on. */
const NOWHERE = 'postgres://nobody:x@127.0.0.1:1/none';

let cluster: TestShards;
beforeAll(async () => {
  cluster = await testShards({
    databases: testDatabases,
    migrations: eventsSchema,
    defaultDeadlineMs: 30_000,
    connectTimeoutMs: 20_000,
  });
  // Publishes timeouts; nothing here handles them.
  testEvents(cluster.shards, [], { events: [removal.timedOut, review.timedOut] });
}, 60_000);
afterEach(() =>
  cluster.shards.scatter({ text: 'TRUNCATE rookery_process, rookery_parked, rookery_event_timer' }),
);
afterAll(() => cluster.close());

async function rookery(line: string, sharding: ShardingOptions = cluster.options) {
  let out = '';
  let err = '';
  const code = await runCli(['events', 'processes', ...line.split(' ').filter(Boolean)], {
    summary: 'spec',
    version: '0',
    groups: {},
    commands: [eventsProcesses],
    open: () => Promise.resolve({ sharding, close: () => Promise.resolve() }),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

const begin = (key: Id, timeoutMs?: number): Promise<unknown> =>
  cluster.shards.transaction(key, (tx) =>
    removal.start(tx, key, { round: 1 }, timeoutMs === undefined ? {} : { timeoutMs }),
  );
const run = async (key: Id, step: (run: NonNullable<Awaited<ReturnType<typeof removal.load>>>) => void) =>
  cluster.shards.transaction(key, async (tx) => step((await removal.load(tx, key))!));
const since = (key: Id, set: string): Promise<unknown> =>
  cluster.shards.transaction(key, (tx) =>
    tx.execute({ text: `UPDATE rookery_process SET ${set} WHERE id = $1`, values: [key] }),
  );
const park = (key: Id, event: Id, state: string): Promise<unknown> =>
  cluster.shards.transaction(key, (tx) =>
    tx.execute({
      text: `INSERT INTO rookery_parked (grp, topic, key, id, type, version, shard_slot, payload, published_at, position, state, attempts, error)
             VALUES ('lists', 'spec', $1, $2, 'spec.forgetting', 1, $3, '', now(), '1', $4, 3, E'Error: no list\\n    at x')`,
      values: [key, event, tx.slot, state],
    }),
  );

describe('rookery events processes', () => {
  it('says that there is none', async () => {
    expect(await rookery('')).toEqual({ code: 0, out: 'no process is under way\n', err: '' });
  });

  it('shows those under way, out of time, undoing and given up, on whatever shard, and what to type next', async () => {
    const [running, late, undoing, failed, done, held] = [7, 4_000, 9, 4_001, 11, 12].map(newId) as [
      Id,
      Id,
      Id,
      Id,
      Id,
      Id,
    ];
    for (const key of [running, undoing, failed, done, held]) await begin(key, 3_600_000);
    await begin(late, 60_000);
    await since(late, `started_at = now() - interval '3 hours', due_at = now() - interval '5 minutes'`);
    await run(undoing, (one) => one.compensate('the list is gone', { round: 2 }));
    await run(failed, (one) => one.fail('asked 4 times in vain'));
    await run(done, (one) => one.complete());
    const event = newId(12);
    await park(held, event, 'held');

    const { code, out } = await rookery('');
    expect(code).toBe(0);
    expect(out).toMatch(/^removal: 3 running, 1 compensating, 1 failed\n\nshard {2}process /);
    const lineOf = (id: Id): string => out.split('\n').find((line) => line.includes(id)) ?? '';
    expect(lineOf(running)).toMatch(/^s1 +removal +\S+ +running +1 +[\d.]+ m?s +[\d.]+ m?s +in \d+ min$/);
    expect(lineOf(late)).toMatch(/^s2 +removal +\S+ +timed-out +1 +3 h +[\d.]+ (ms|s|min) +\d+ min ago$/);
    expect(lineOf(undoing)).toMatch(/ compensating +2 .* – +the list is gone$/);
    expect(lineOf(failed)).toMatch(/ failed +2 .* – +asked 4 times in vain$/);
    expect(lineOf(held)).toMatch(/ held in lists: Error: no list$/);
    expect(lineOf(done)).toBe('');
    // The oldest comes first.
    expect(out.indexOf(late)).toBeLessThan(out.indexOf(running));
    expect(out).toMatch(new RegExp(`\nrookery events parked --show ${event} +the event that holds it up\n`));
    expect(out).toMatch(
      new RegExp(`\nrookery events replay lists --id ${event} +try that event again now\n`),
    );
    expect(out).toMatch(/\nrookery events groups +is the group that handles its timeout there/);
    expect(out).toMatch(new RegExp(`\nrookery events processes --show ${late} +the whole of it\n$`));

    const shown = async (line: string): Promise<string[]> => {
      const { processes } = JSON.parse((await rookery(`${line} --json`)).out) as {
        processes: { id: string }[];
      };
      return processes.map(({ id }) => id).sort();
    };
    expect(await shown('--state timed-out')).toEqual([late]);
    expect(await shown('--state compensating')).toEqual([undoing]);
    expect(await shown('--state failed')).toEqual([failed]);
    expect(await shown('--state completed')).toEqual([done]);
    expect(await shown('--state running')).toEqual([running, late, held].sort());
    expect(await shown('--older-than 2h')).toEqual([late]);
    expect(await shown('--process removal')).toHaveLength(5);
    expect(await shown('--process review')).toEqual([]);
    expect((await rookery('--process removal --older-than 9d')).out).toMatch(
      /\nnone of them is as was asked for\n$/,
    );
  });

  it('shows one in full, with its memory and the step that somebody skipped', async () => {
    const [key, event] = [newId(7), newId(7)];
    await begin(key);
    await run(key, (one) => one.fail('nobody confirmed'));
    await park(key, event, 'skipped');
    const { code, out } = await rookery(`--show ${key}`);
    expect(code).toBe(0);
    expect(out).toContain(`removal  ${key}\nwhere     s1, slot 7\nstate     failed · step 2 · timeout –\n`);
    expect(out).toContain('\nreason    nobody confirmed\n');
    expect(out).toContain(`\nskipped   spec.forgetting ${event} in lists: Error: no list\n`);
    expect(out).toContain('\nmemory\n{\n  "round": 1\n}\n');
    expect(out).toMatch(
      new RegExp(`\nrookery events replay lists --id ${event} +take up the step that was skipped\n$`),
    );
    expect((await rookery('--show nobody')).err).toContain('RK_EVENTS_UNKNOWN_PROCESS');
  });

  it('shows the oldest that fit on a screen, and all if told so', async () => {
    for (let n = 0; n < 17; n++) await begin(newId(n * 240));
    const { out } = await rookery('');
    expect(out.match(/ running +1 /g)).toHaveLength(15);
    expect(out).toContain('\n… and more, begun later: --all shows them\n');
    expect((await rookery('--all')).out.match(/ running +1 /g)).toHaveLength(17);
  });

  it('shows what the others have where a shard is away, and ends with 1', async () => {
    await begin(newId(7));
    const [first, second] = cluster.options.shards;
    const { code, out } = await rookery('', {
      ...cluster.options,
      shards: [first!, { ...second!, url: NOWHERE }],
    });
    expect(code).toBe(1);
    expect(out).toMatch(/^removal: 1 running\n/);
    expect(out).toMatch(/\ns2 does not answer: .+\n$/);
  });

  it('takes no state and no time that it does not know', async () => {
    for (const line of ['--state gone', '--older-than soon', '--older-than 5'])
      expect(await rookery(line)).toMatchObject({ code: 2, out: '' });
  });
});
