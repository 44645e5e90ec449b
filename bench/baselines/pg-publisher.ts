import { newId, slotOfId } from '@rookery/kernel';
import pg from 'pg';
import { insertThing, TEXT, thingChanged } from '../events/log.js';

/**
 * The baseline of `publish`: pg by hand, pipelined. The same transaction, BEGIN, the guard of its slot, the row of data,
 * and a row in a table that has the shape and the indexes of the log, but neither its locks nor its fence.
 */
export class PgPublisher {
  private readonly clients: pg.Client[] = [];

  constructor(
    private readonly url: string,
    private readonly writers: number,
  ) {}

  async open(): Promise<void> {
    for (let i = 0; i < this.writers; i++) {
      const client = new pg.Client({ connectionString: this.url, pipeline: true });
      await client.connect();
      this.clients.push(client);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.end()));
  }

  async write(writer: number, id: string, n: number): Promise<void> {
    const client = this.clients[writer]!;
    const slot = slotOfId(id);
    const { type, version, topic } = thingChanged;
    const sent = [
      client.query('BEGIN'),
      client.query({ name: 'guard', text: 'SELECT rookery_begin($1, $2, $3)', values: [slot, 1, 5_000] }),
      client.query(insertThing(id, n) as pg.QueryConfig),
      client.query({
        name: 'plain',
        text: `INSERT INTO plain_event (seq, xid, shard_slot, topic, key, id, type, version, headers, payload)
               VALUES (nextval('plain_event_seq'), pg_current_xact_id(), $1, $2, $3, $4, $5, $6, $7, $8)`,
        values: [
          slot,
          topic.name,
          id,
          newId(slot),
          type,
          version,
          null,
          JSON.stringify({ id, n, text: TEXT }),
        ],
      }),
    ];
    const committed = client.query('COMMIT');
    await Promise.all(sent);
    if ((await committed).command !== 'COMMIT') throw new Error('not committed');
  }
}
