import pg from 'pg';

const BATCH = 256;

/**
 * The baseline of `consume`: pg by hand, one connection, batches of the next rows by number; each batch enters the inbox,
 * writes its effects and moves the cursor in one commit that does not wait for the disk. No lanes, no keys, no retries,
 * and events whose transactions overlap are lost.
 */
export class PgConsumer {
  private readonly client: pg.Client;

  constructor(url: string) {
    this.client = new pg.Client({ connectionString: url, pipeline: true });
  }

  async open(): Promise<void> {
    await this.client.connect();
  }

  async close(): Promise<void> {
    await this.client.end();
  }

  /** Handles all there is, from the beginning. */
  async consume(group: string): Promise<number> {
    let handled = 0;
    for (let last = '0'; ;) {
      const { rows } = await this.client.query<{ seq: string; id: string; slot: number; payload: string }>({
        name: 'next',
        text: `SELECT seq, id, type, version, topic, key, shard_slot AS slot, payload, headers, created_at
               FROM rookery_event WHERE seq > $1 ORDER BY seq LIMIT $2`,
        values: [last, BATCH],
      });
      if (rows.length === 0) return handled;
      last = rows.at(-1)!.seq;
      const data = rows.map(({ payload }) => JSON.parse(payload) as { id: string; n: number });
      const slots = rows.map(({ slot }) => slot);
      await Promise.all([
        this.client.query('BEGIN'),
        this.client.query('SET LOCAL synchronous_commit TO off'),
        this.client.query({
          name: 'inbox',
          text: `INSERT INTO plain_inbox (event_id, grp, shard_slot)
                 SELECT id, $2, slot FROM unnest($1::uuid[], $3::smallint[]) AS given (id, slot) ON CONFLICT DO NOTHING`,
          values: [rows.map(({ id }) => id), group, slots],
        }),
        this.client.query({
          name: 'effects',
          text: `INSERT INTO plain_effect (thing, grp, n, shard_slot)
                 SELECT id, $2, n, slot FROM unnest($1::uuid[], $3::int[], $4::smallint[]) AS given (id, n, slot)`,
          values: [data.map(({ id }) => id), group, data.map(({ n }) => n), slots],
        }),
        this.client.query({
          name: 'cursor',
          text: `INSERT INTO plain_cursor VALUES ($1, $2) ON CONFLICT (grp) DO UPDATE SET seq = excluded.seq`,
          values: [group, last],
        }),
        this.client.query('COMMIT'),
      ]);
      handled += rows.length;
    }
  }
}
