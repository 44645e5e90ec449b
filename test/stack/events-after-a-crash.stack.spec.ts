import { eventsSchema } from '@rookery/events';
import {
  handling,
  record,
  recorded,
  recorderKeys,
  recorderSchema,
  testEvents,
  untilSeen,
  verdictOn,
} from '@rookery/events/testing';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { PostgresSite } from '../invariants/postgres-site.js';
import { until } from '../support/until.js';

const ROUNDS = 3;
/** What was applied is written all the same where something comes between it and the crash: then it is tried again. */
const MOST_ROUNDS = 12;
const EVENTS = 40;

describe('handlers whose commits do not wait for the disk', () => {
  let postgres: PostgresSite;
  let cluster: TestShards;
  beforeAll(async () => {
    // Whoever waits for nothing is written seldom: a crash undoes all that was applied.
    postgres = await PostgresSite.start({ wal_writer_delay: '10s' });
    cluster = await testShards({
      databases: postgres.databases,
      migrations: [...eventsSchema, recorderSchema],
      count: 1,
    });
  }, 60_000);
  afterAll(async () => {
    await cluster?.close();
    await postgres?.stop();
  });

  it('apply anew, once and in order, what a crash of PostgreSQL undid', async () => {
    const { shards } = cluster;
    let open = (): void => undefined;
    let gate = Promise.resolve();
    let applied = 0;
    const events = testEvents(shards, [
      handling(recorded, { group: 'one', concurrency: 16, timeoutMs: 60_000 }, async (event, tx) => {
        await gate;
        await record.one('one')(event, tx);
        tx.afterCommit(() => {
          applied += 1;
        });
      }),
    ]);
    const keys = recorderKeys(8);
    const versions = new Map<string, number>();
    const write = async (many: number): Promise<void> => {
      for (let i = 0; i < many; i++) {
        const key = keys[i % keys.length]!;
        const version = (versions.get(key) ?? 0) + 1;
        await shards.transaction(key, async (tx) => {
          tx.send({
            text: `INSERT INTO recorder_key AS k (key, version) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET version = $2`,
            values: [key, version],
          });
          tx.publish(recorded({ key, version, writer: 0 }));
        });
        versions.set(key, version);
      }
    };
    await events.start();
    try {
      let undone = 0;
      for (let round = 0; round < ROUNDS || (undone <= 0 && round < MOST_ROUNDS); round++) {
        gate = new Promise((resolve) => (open = resolve));
        applied = 0;
        await write(EVENTS);
        open();
        while (applied < EVENTS) await new Promise(setImmediate);
        const before = applied;
        await postgres.restart('killed');
        await until('the shard to answer again', () =>
          shards.queryShard('s1', { text: 'SELECT 1' }).then(
            () => true,
            () => false,
          ),
        );
        await write(keys.length);
        expect(await untilSeen(shards, 'one', 30_000)).toBe(true);
        undone += applied - before - keys.length;
      }
      expect(await verdictOn(shards, 'one')).toMatchObject({ lost: 0, duplicated: 0, inverted: 0 });
      // Otherwise nothing has been tried.
      expect(undone).toBeGreaterThan(0);
    } finally {
      open();
      await events.stop();
    }
  }, 240_000);
});
