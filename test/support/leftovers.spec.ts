import type pg from 'pg';
import type { Member } from './actor.js';
import { draft, useConduit } from './conduit.js';
import { closeShards, footprintsOf, openShards } from './footprint.js';
import { discrepancies, idOfArticle, rowsWith } from './leftovers.js';
import { shardUrlsOf } from './site.js';

/** The checks that look behind the site, shown databases that do not add up. */
const conduit = useConduit();
let ada: Member;
let shards: pg.Client[];
let slug: string;
let id: string;

beforeAll(async () => {
  ada = await conduit.someone('ada');
  slug = (await ada.publish(draft({ tagList: ['twigs', 'straw'] }))).is(201).article.slug;
  (await ada.favorite(slug)).is(200);
  (await ada.comment(slug, 'Mine.')).is(201);
  shards = await openShards(shardUrlsOf(conduit.site));
  conduit.beforeClose(() => closeShards(shards));
  id = await idOfArticle(shards, slug);
});

/** Breaks the shard of the article behind the triggers and fences, looks, and mends it. */
async function discrepanciesAfter(...statements: string[]): Promise<string[]> {
  const shard = await shardOfArticle();
  const tables = [
    'article',
    'article_tag',
    'tag_total',
    'article_total',
    'author_stat',
    'favorite',
    'comment',
    'users',
  ];
  await shard.query("SET session_replication_role = 'replica'");
  try {
    for (const table of tables) await shard.query(`CREATE TABLE kept_${table} AS TABLE ${table}`);
    for (const statement of statements) await shard.query(statement);
    return await discrepancies(shardUrlsOf(conduit.site));
  } finally {
    for (const table of tables) {
      const columns = await columnsOf(shard, table);
      await shard.query(`DELETE FROM ${table}`);
      await shard.query(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM kept_${table}`);
      await shard.query(`DROP TABLE kept_${table}`);
    }
    await shard.query('RESET session_replication_role');
  }
}

async function shardOfArticle(): Promise<pg.Client> {
  for (const shard of shards) {
    const { rowCount } = await shard.query('SELECT FROM article WHERE id = $1', [id]);
    if (rowCount === 1) return shard;
  }
  throw new Error('the article is on no shard');
}

/** Generated columns make themselves. */
async function columnsOf(shard: pg.Client, table: string): Promise<string> {
  const { rows } = await shard.query<{ columns: string }>(
    `SELECT string_agg(quote_ident(column_name), ',' ORDER BY ordinal_position) AS columns
     FROM information_schema.columns WHERE table_name = $1 AND is_generated = 'NEVER'`,
    [table],
  );
  return rows[0]!.columns;
}

afterEach(async () => {
  expect(await discrepancies(shardUrlsOf(conduit.site))).toEqual([]);
});

describe('the check for discrepancies', () => {
  it.each([
    [
      'a favorite too many',
      'UPDATE article SET favorites_count = favorites_count + 1',
      'favorites of an article',
    ],
    ['a favorite that is not counted', 'UPDATE article SET favorites_count = 0', 'favorites of an article'],
    [
      'an article too many in the total',
      'UPDATE article_total SET articles = articles + 1',
      'articles of the shard',
    ],
    ['an author without a count', 'DELETE FROM author_stat', 'articles of an author'],
    ['a tag that is not counted', "DELETE FROM tag_total WHERE tag = 'twigs'", 'articles of a tag twigs'],
    ['a tag that nothing has', "INSERT INTO tag_total VALUES ('ghost', 0, 1)", 'articles of a tag ghost'],
    [
      'a tag beside its article',
      "DELETE FROM article_tag WHERE tag = 'straw'",
      'tags of an article beside it',
    ],
    ['rows of an article that is gone', 'DELETE FROM article', 'which is gone'],
  ])('sees %s', async (_, statement, named) => {
    expect((await discrepanciesAfter(statement)).join('\n')).toContain(named);
  });

  it('sees a user whose name is not held, and a name that nobody has', async () => {
    const shard = await openShards(shardUrlsOf(conduit.site));
    try {
      for (const client of shard) {
        await client.query("SET session_replication_role = 'replica'");
        await client.query("UPDATE users SET username = username || 'x'");
      }
      const found = (await discrepancies(shardUrlsOf(conduit.site))).join('\n');
      expect(found).toContain(`username ${ada.name}x of`);
      expect(found).toContain(`username ${ada.name} of`);
      for (const client of shard) await client.query('UPDATE users SET username = left(username, -1)');
    } finally {
      await closeShards(shard);
    }
  });
});

describe('the search for leftovers', () => {
  it('finds the rows of an article, and none once it is deleted', async () => {
    const { slug: other } = (await ada.publish(draft({ tagList: ['twigs'] }))).is(201).article;
    const otherId = await idOfArticle(shards, other);
    const tables = (await rowsWith(shards, otherId)).map(({ table }) => table);
    expect(new Set(tables)).toEqual(new Set(['article', 'article_tag']));
    (await ada.remove(other)).is(204);
    expect(await rowsWith(shards, otherId)).toEqual([]);
  });
});

describe('a footprint', () => {
  it('stays while people read, and changes with every write, however small', async () => {
    const footprints = await footprintsOf(conduit.site, ada);
    try {
      const before = await footprints.take();
      (await ada.article(slug)).is(200);
      (await ada.updateMe({ username: '' })).is(422);
      expect(await footprints.take()).toEqual(before);
      (await ada.updateMe({ bio: 'A' })).is(200);
      const after = await footprints.take();
      expect(after.rows).not.toBe(before.rows);
      expect(after.names).toBe(before.names);
      (await ada.updateMe({ username: conduit.unique('ada') })).is(200);
      expect((await footprints.take()).names).not.toBe(after.names);
    } finally {
      await footprints.close();
    }
  });

  it('is taken over HTTP where the databases are not known', async () => {
    const footprints = await footprintsOf({ ...conduit.site, shardUrls: undefined }, ada);
    const before = await footprints.take();
    expect(await footprints.take()).toEqual(before);
    (await ada.comment(slug, 'One more.')).is(201);
    expect((await footprints.take()).rows).not.toBe(before.rows);
  });
});
