import { newIdIn, slotOfId, timeOfId } from '@rookery/kernel';
import pg from 'pg';
import { create } from '../../src/articles/data/article.sql.js';
import { slugOf } from '../../src/articles/slug.js';

/**
 * The baseline of `tx`: pg by hand, pipelined as its documentation says. The same statements as ours: BEGIN, the guard,
 * the insert, COMMIT, whose tag is looked at; no retry, no deadline, no pool, no metrics.
 */
export class PgWriter {
  private readonly clients: pg.Client[] = [];

  constructor(
    private readonly urls: readonly string[],
    private readonly writers: number,
  ) {}

  async open(): Promise<void> {
    for (let i = 0; i < this.writers * this.urls.length; i++) {
      const client = new pg.Client({
        connectionString: this.urls[i % this.urls.length]!,
        pipeline: true,
      });
      await client.connect();
      this.clients.push(client);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.end()));
  }

  async write(writer: number, author: string, title: string, body: string, tags: string[]): Promise<string> {
    const slot = slotOfId(author);
    const shard = Math.floor((slot * this.urls.length) / 4096);
    const client = this.clients[writer * this.urls.length + shard]!;
    const id = newIdIn(author);
    const { name, text, values } = create(
      id,
      author,
      slugOf(title, id),
      title,
      'about',
      body,
      tags,
      new Date(timeOfId(id)),
    );
    const begun = client.query('BEGIN');
    const guarded = client.query({
      name: 'guard',
      text: 'SELECT rookery_begin($1, $2, $3)',
      values: [slot, 1, 5_000],
    });
    const [, , made] = await Promise.all([
      begun,
      guarded,
      client.query<string[]>({ name, text, values: values as unknown[], rowMode: 'array' } as never),
    ]);
    const committed = await client.query('COMMIT');
    if (committed.command !== 'COMMIT') throw new Error('not committed');
    const [card, by] = (made as unknown as { rows: string[][] }).rows[0]!;
    return `{"article":${card!},"body":${JSON.stringify(body)},"favorited":false,"favoritesCount":0,"author":${by!},"following":false}}}`;
  }
}
