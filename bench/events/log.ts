import { eventsSchema, defineEvent, type ReceivedEvent } from '@rookery/events';
import { defineMigration, prepared, type Migration } from '@rookery/sharding';
import { z } from 'zod';
import { eachDatabase } from '../databases.js';

/** What the scenarios about events publish and handle. */
export const thingChanged = defineEvent({
  type: 'bench.thing.changed',
  key: ({ id }) => id,
  schema: z.object({ id: z.string(), n: z.number().int(), text: z.string() }),
});

/** About as much as an event of Conduit carries. */
export const TEXT = 'a title of some forty characters or so, '.repeat(3);

/** A row of data, a row of effect; and the log's shape once more, without its locks and its fence. */
const tables = defineMigration({
  id: 'bench-0001-events',
  up: `
CREATE TABLE bench_thing (id uuid PRIMARY KEY, n int NOT NULL);
SELECT rookery_shard_table('bench_thing', 'rookery_slot_of(id)', 'id');
CREATE TABLE bench_effect (thing uuid NOT NULL, grp text NOT NULL, n int NOT NULL);
SELECT rookery_shard_table('bench_effect', 'rookery_slot_of(thing)', 'thing');

CREATE SEQUENCE plain_event_seq;
CREATE TABLE plain_event (LIKE rookery_event INCLUDING ALL) PARTITION BY RANGE (created_at);
CREATE TABLE plain_event_default PARTITION OF plain_event DEFAULT;
CREATE TABLE plain_inbox (LIKE rookery_inbox INCLUDING ALL) PARTITION BY RANGE (event_id);
CREATE TABLE plain_inbox_default PARTITION OF plain_inbox DEFAULT;
CREATE TABLE plain_effect (thing uuid NOT NULL, grp text NOT NULL, n int NOT NULL, shard_slot smallint NOT NULL);
CREATE INDEX ON plain_effect (shard_slot, thing);
CREATE TABLE plain_cursor (grp text PRIMARY KEY, seq bigint NOT NULL);
DO $$
DECLARE v_day date;
BEGIN
  FOR v_day IN SELECT d::date FROM generate_series((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 3, interval '1 day') d LOOP
    EXECUTE format('CREATE TABLE %I PARTITION OF plain_event FOR VALUES FROM (%L) TO (%L)', 'plain_event_' || to_char(v_day, 'YYYYMMDD'),
      v_day::text || ' 00:00:00+00', (v_day + 1)::text || ' 00:00:00+00');
    EXECUTE format('CREATE TABLE %I PARTITION OF plain_inbox FOR VALUES FROM (%L) TO (%L)', 'plain_inbox_' || to_char(v_day, 'YYYYMMDD'),
      rookery_id_floor(v_day::timestamp AT TIME ZONE 'UTC'), rookery_id_floor((v_day + 1)::timestamp AT TIME ZONE 'UTC'));
  END LOOP;
END $$;`,
});

export const benchSchema: readonly Migration[] = [...eventsSchema, tables];

export const insertThing = prepared('bench.thing', 'INSERT INTO bench_thing (id, n) VALUES ($1, $2)');

const effectRows = prepared(
  'bench.effects',
  'INSERT INTO bench_effect (thing, grp, n) SELECT id, $2, n FROM unnest($1::uuid[], $3::int[]) AS given (id, n)',
);

/** The effect of a batch: a row for each event. */
export function effects(batch: readonly ReceivedEvent<{ id: string; n: number }>[], group: string) {
  return effectRows(
    batch.map(({ data }) => data.id),
    group,
    batch.map(({ data }) => data.n),
  );
}

/** Each side has had so many effects, and both the same. */
export async function agreeOnEffects(url: string, count: number): Promise<void> {
  await eachDatabase([url], async (client) => {
    const { rows } = await client.query<{ ours: string; baseline: string }>(
      `SELECT (SELECT count(*) || ' ' || md5(string_agg(thing || ' ' || n, ',' ORDER BY thing, n)) FROM bench_effect) AS ours,
         (SELECT count(*) || ' ' || md5(string_agg(thing || ' ' || n, ',' ORDER BY thing, n)) FROM plain_effect) AS baseline`,
    );
    const { ours, baseline } = rows[0]!;
    if (ours !== baseline || !ours.startsWith(`${count} `)) {
      throw new Error(`ours and the baseline had other effects: ${ours}, ${baseline}`);
    }
  });
}

/** Rows of one transaction while the log is filled: as a busy site would have between two of its ticks. */
const CHUNK = 20_000;

/** Writes events into the log as transactions would, only many in each: of as many keys as there are events over 20. */
export async function fillLog(url: string, events: number): Promise<void> {
  await eachDatabase([url], async (client) => {
    // Whose rows lie where is not what is measured here.
    await client.query("SET rookery.slot = 'mover'");
    const { topic, type, version } = { ...thingChanged, topic: thingChanged.topic.name };
    for (let from = 0; from < events; from += CHUNK) {
      const last = await client.query<{ last: string }>(
        'SELECT last_value::text AS last FROM rookery_event_seq',
      );
      await client.query(
        `INSERT INTO rookery_event_tick (seq_below, xid) VALUES ($1, pg_current_xact_id()) ON CONFLICT DO NOTHING`,
        [last.rows[0]!.last],
      );
      await client.query(
        `INSERT INTO rookery_event (seq, xid, shard_slot, topic, key, id, type, version, headers, payload)
         SELECT nextval('rookery_event_seq'), pg_current_xact_id(), slot, $1, key, rookery_new_id(slot), $2, $3::smallint, NULL,
           jsonb_build_object('id', key, 'n', n, 'text', $4::text)::text
         FROM (SELECT n, (h & 4095)::smallint AS slot,
                 substr(md5(h::text), 1, 12) || '7' || lpad(to_hex(h & 4095), 3, '0') || '8' || substr(md5(h::text), 18, 15) AS key
               FROM (SELECT n, hashint8(n / 20) AS h FROM generate_series($5::bigint, $6::bigint) n) hashed) made`,
        [topic, type, version, TEXT, from, Math.min(from + CHUNK, events) - 1],
      );
    }
    await client.query('VACUUM ANALYZE rookery_event');
  });
}
