import { newId } from '@rookery/kernel';
import { testEvents } from '@rookery/events/testing';
import { prepared, Shards } from '@rookery/sharding';
import { PgPublisher } from '../baselines/pg-publisher.js';
import { cpuOfTree } from '../cpu.js';
import { benchDatabases, eachDatabase } from '../databases.js';
import { benchSchema, insertThing, TEXT, thingChanged } from '../events/log.js';
import type { Report, Scenario, Side } from '../harness.js';

/** Many short turns: how fast a shared machine is changes within seconds. */
const SECONDS = 0.7;
const TURNS = 15;
const WRITERS = [1, 16];

type Write = (writer: number, id: string, n: number) => Promise<unknown>;

export const publish: Scenario = {
  name: 'publish',
  about: 'a row and an event in one transaction, against pipelined pg by hand inserting both as plain rows',
  run: async (report) => {
    const databases = await benchDatabases(1, benchSchema);
    try {
      for (const writers of WRITERS)
        await oneNumber(report, databases.urls[0]!, databases.serverPid, writers);
    } finally {
      await databases.close();
    }
  },
};

async function oneNumber(report: Report, url: string, serverPid: number, writers: number): Promise<void> {
  // One more for telling the other replicas.
  const shards = new Shards({ shards: [{ url }], migrations: benchSchema, poolMax: writers + 1 });
  const pgPublisher = new PgPublisher(url, writers);
  const events = testEvents(shards, [], { events: [thingChanged] });
  try {
    await shards.start();
    await events.start();
    await pgPublisher.open();
    const ours: Write = (_, id, n) =>
      shards.transaction(id, async (tx) => {
        tx.send(insertThing(id, n));
        tx.publish(thingChanged({ id, n, text: TEXT }));
      });
    const plainRow: Write = (_, id, n) =>
      shards.transaction(id, async (tx) => {
        tx.send(insertThing(id, n));
        tx.send(plainEvent(tx.slot, id, newId(tx.slot), JSON.stringify({ id, n, text: TEXT })));
      });
    const baseline: Write = (writer, id, n) => pgPublisher.write(writer, id, n);
    await mustAgree(url, ours, baseline);
    const label = `${writers} writer${writers > 1 ? 's' : ''}`;
    const side = (write: Write): Side => writing(write, writers, serverPid);
    await report.compare('publish', `${label}, by hand`, side(ours), side(baseline), TURNS);
    await report.compare('publish', `${label}, plain row through Shards`, side(ours), side(plainRow), TURNS);
  } finally {
    await pgPublisher.close();
    await events.stop();
    await shards.close();
  }
}

const plainEvent = prepared(
  'bench.plain-event',
  `INSERT INTO plain_event (seq, xid, shard_slot, topic, key, id, type, version, headers, payload)
   VALUES (nextval('plain_event_seq'), pg_current_xact_id(), $1, 'bench.thing', $2, $3, 'bench.thing.changed', 1, NULL, $4)`,
);

function writing(write: Write, writers: number, serverPid: number): Side {
  return async () => {
    const [cpu, postgres, since] = [process.cpuUsage(), cpuOfTree(serverPid), performance.now()];
    const until = since + SECONDS * 1000;
    let operations = 0;
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        while (performance.now() < until) {
          operations += 1;
          await write(writer, newId((operations * 1_021) % 4096), operations);
        }
      }),
    );
    const { user, system } = process.cpuUsage(cpu);
    return {
      operations,
      seconds: (performance.now() - since) / 1000,
      cpuMs: (user + system) / 1000,
      postgresMs: cpuOfTree(serverPid) - postgres,
    };
  };
}

/** Both must leave the same behind, but for what is drawn anew for each. */
async function mustAgree(url: string, ours: Write, baseline: Write): Promise<void> {
  const ids = [newId(7), newId(7)];
  await ours(0, ids[0]!, 7);
  await baseline(0, ids[1]!, 7);
  await eachDatabase([url], async (client) => {
    const columns = `shard_slot, topic, type, version, headers, payload::jsonb - 'id' AS payload`;
    const { rows } = await client.query(
      `SELECT n, ${columns} FROM bench_thing t JOIN rookery_event e ON e.key = t.id::text AND t.id = $1
       UNION SELECT n, ${columns} FROM bench_thing t JOIN plain_event e ON e.key = t.id::text AND t.id = $2`.replaceAll(
        'shard_slot',
        'e.shard_slot',
      ),
      ids,
    );
    if (rows.length !== 1) throw new Error(`ours and the baseline differ: ${JSON.stringify(rows)}`);
  });
}
