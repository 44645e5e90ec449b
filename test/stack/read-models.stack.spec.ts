import { Shards } from '@rookery/sharding';
import type pg from 'pg';
import { readModels } from '../../src/read-models.js';
import { migrations } from '../../src/schema.js';
import type { Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { closeShards, openShards } from '../support/footprint.js';
import { Gate } from '../support/gate.js';
import { idOfArticle, unhandled, readModelFaults } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';
import { until } from '../support/until.js';

const conduit = useConduit({
  environment: { FEED_FAN_OUT_MAX: '3', READ_AFTER_WRITE_MS: '250', LOG_LEVEL: 'silent' },
});
let people: Member[];
let clients: pg.Client[];
let shards: Shards;

beforeAll(async () => {
  people = await conduit.cast('one', 'two', 'three', 'four', 'five', 'six');
  const urls = shardUrlsOf(conduit.site);
  clients = await openShards(urls);
  shards = new Shards({ shards: urls.map((url) => ({ url })), migrations });
  await shards.start();
  conduit.beforeClose(async () => {
    await shards.close();
    await closeShards(clients);
  });
});

const onAll = async (statement: string): Promise<string[]> =>
  (await Promise.all(clients.map((client) => client.query<{ row: string }>(statement)))).flatMap(({ rows }) =>
    rows.map(({ row }) => row),
  );

const TABLES: Readonly<Record<string, string>> = {
  favorited: `SELECT 'favorited ' || t::text AS row FROM favorited t
    UNION ALL SELECT 'favorited_stat ' || t::text FROM favorited_stat t WHERE articles <> 0`,
  feed: `SELECT 'follower ' || t::text AS row FROM follower t
    UNION ALL SELECT 'author_reach ' || t::text FROM author_reach t WHERE followers <> 0
    UNION ALL SELECT 'feed_entry ' || t::text FROM feed_entry t
    UNION ALL SELECT 'feed_pull ' || t::text FROM feed_pull t
    UNION ALL SELECT 'feed_stat ' || t::text FROM feed_stat t WHERE articles <> 0`,
  tags: `SELECT 'tag_stat ' || t::text AS row FROM tag_stat t`,
};
const rowsOf = async (model: string) => (await onAll(TABLES[model]!)).sort();
const faults = () => readModelFaults(shardUrlsOf(conduit.site));
/** Waits until every event is handled, and the read models are right: those of an event may follow one after the other. */
async function expectRight(): Promise<void> {
  const urls = shardUrlsOf(conduit.site);
  let wrong: string[] = [];
  await until('the events to be handled', async () => {
    const open = (await unhandled(urls)).map((id) => `event ${id} is not handled`);
    wrong = [...open, ...(await faults())];
    return wrong.length === 0;
  }).catch((cause: unknown) => {
    throw new Error(`they are not: ${JSON.stringify(wrong)}`, { cause });
  });
}

/** Of two that wait for each other's rows the server ends one, which then begins anew. */
async function damage(name: string): Promise<void> {
  for (const statement of DAMAGE[name]!) {
    for (;;) {
      try {
        await onAll(statement);
        break;
      } catch (error) {
        if ((error as pg.DatabaseError).code !== '40P01') throw error;
      }
    }
  }
}

/** Everything that changes a read model, by everybody, mixed. */
async function activity(rounds: number, seed: number): Promise<void> {
  await Promise.all(
    people.map(async (person, place) => {
      const own: string[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const at = round * 7 + place * 3 + seed;
        const other = people[(place + 1 + (at % (people.length - 1))) % people.length]!;
        const tagList = ['common', `tag ${at % 5}`];
        own.push((await person.publish(draft({ tagList }))).is(201).article.slug);
        await (at % 4 === 0 ? person.unfollow(other.name) : person.follow(other.name));
        const seen = (await person.articles({ limit: 3 })).is(200).slugs;
        await Promise.all(seen.map((slug) => person.favorite(slug)));
        if (at % 3 === 0) await person.unfavorite(seen[0]!);
        if (at % 4 === 1) await person.edit(own[0]!, { tagList: [`tag ${at % 7}`] });
        if (at % 5 === 2) (await person.remove(own.shift()!)).is(204);
      }
    }),
  );
}

/** Takes rows out, puts wrong ones in, and miscounts, behind the site's back. */
const DAMAGE: Readonly<Record<string, readonly string[]>> = {
  favorited: [
    'DELETE FROM favorited WHERE (user_id, article_id) IN (SELECT user_id, article_id FROM favorited LIMIT 5)',
    `INSERT INTO favorited (user_id, article_id)
     SELECT u.id, rookery_new_id(7) FROM users u ON CONFLICT DO NOTHING`,
  ],
  feed: [
    'DELETE FROM feed_entry WHERE (user_id, article_id) IN (SELECT user_id, article_id FROM feed_entry LIMIT 5)',
    'DELETE FROM feed_pull WHERE (user_id, author_id) IN (SELECT user_id, author_id FROM feed_pull LIMIT 2)',
    `WITH gone AS (DELETE FROM follower WHERE (author_id, follower_id) IN (SELECT author_id, follower_id FROM follower LIMIT 2) RETURNING author_id)
     UPDATE author_reach r SET followers = followers - n
     FROM (SELECT author_id, count(*) AS n FROM gone GROUP BY 1) g WHERE g.author_id = r.author_id`,
    `INSERT INTO feed_entry (user_id, article_id, author_id)
     SELECT u.id, rookery_new_id(rookery_slot_of(a.id)), a.id FROM users u, users a`,
  ],
  tags: [
    `DELETE FROM tag_stat WHERE tag = 'tag 1'`,
    `UPDATE tag_stat SET articles = articles + 5 WHERE tag IN ('common', 'tag 2')`,
    `INSERT INTO tag_stat (tag, articles) SELECT 'of nothing', 3 FROM rookery_slot
     WHERE slot = rookery_slot_of_key('of nothing') AND state = 'open'`,
  ],
};

describe.each(['favorited', 'feed', 'tags'])('%s, made anew', (name) => {
  const model = readModels[name]!;

  it('is what following the events has made of it, row by row', async () => {
    await activity(4, name.length);
    // One that is still to come would put right what is damaged below.
    await expectRight();
    const live = await rowsOf(name);
    expect(live.length).toBeGreaterThan(3);
    expect(await model.compare(shards)).toEqual({ missing: 0, extra: 0 });
    let seen = 0;
    await model.rebuild(shards, (rows) => (seen += rows));
    expect(await rowsOf(name)).toEqual(live);

    await damage(name);
    expect(await rowsOf(name)).not.toEqual(live);
    const { missing, extra } = await model.compare(shards);
    expect(Math.min(missing, extra)).toBeGreaterThan(0);
    await model.rebuild(shards, (rows) => (seen += rows));
    expect(seen).toBeGreaterThan(0);
    expect(await rowsOf(name)).toEqual(live);
    expect(await model.compare(shards)).toEqual({ missing: 0, extra: 0 });
  });

  it('is right in the end, however much is written meanwhile', async () => {
    const writing = activity(6, 1 + name.length);
    let over = false;
    const rebuilding = (async () => {
      while (!over) {
        await damage(name);
        await model.rebuild(shards, () => undefined);
      }
    })();
    await writing.finally(() => (over = true));
    await rebuilding;
    await expectRight();
  });
});

describe('made anew while an event is on its way', () => {
  const listed = async (name: string) => (await conduit.anonymous().articles({ favorited: name })).is(200);

  it('a list of favorites is not left with what was true when it was read', async () => {
    const [author, fan] = (await conduit.cast('author', 'fan')) as [Member, Member];
    const { slug } = (await author.publish(draft())).is(201).article;
    await onAll(`INSERT INTO favorited (user_id, article_id)
      SELECT id, '${await idOfArticle(clients, slug)}' FROM users WHERE username = '${fan.name}'`);
    // Found to be too much, and about to be taken out, when it comes true.
    const gate = await Gate.at(shardUrlsOf(conduit.site), 'DELETE ON favorited', `OLD.user_id IS NOT NULL`);
    try {
      const rebuilt = readModels['favorited']!.rebuild(shards, () => undefined);
      await gate.untilReached();
      (await fan.favorite(slug)).is(200);
      await gate.open();
      await rebuilt;
    } finally {
      await gate.open();
    }
    await expectRight();
    expect((await listed(fan.name)).slugs).toEqual([slug]);
  });

  it('a count of tags has each event once, also one that is handled later', async () => {
    const author = await conduit.someone('author');
    const tag = conduit.unique('tag');
    (await author.publish(draft({ tagList: [tag] }))).is(201);
    // The first one is not to be held up as well.
    await expectRight();
    await onAll(`CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.tag = '${tag}' AND current_setting('application_name') LIKE 'conduit test%' THEN RAISE EXCEPTION 'held up'; END IF;
        RETURN NEW;
      END $$`);
    await onAll(
      'CREATE TRIGGER hold_up BEFORE INSERT OR UPDATE ON tag_stat FOR EACH ROW EXECUTE FUNCTION hold_up()',
    );
    (await author.publish(draft({ tagList: [tag] }))).is(201);
    const parked = async () =>
      (await onAll(`SELECT key AS row FROM rookery_parked WHERE grp = 'tags'`)).length;
    await until('its event is parked', async () => (await parked()) === 1);
    await onAll(`UPDATE tag_stat SET articles = 7 WHERE tag = '${tag}'`);
    await readModels['tags']!.rebuild(shards, () => undefined);
    expect(await onAll(`SELECT articles::text AS row FROM tag_stat WHERE tag = '${tag}'`)).toEqual(['1']);
    await onAll('DROP TRIGGER hold_up ON tag_stat');
    await until('it is handled', async () => (await parked()) === 0);
    expect(await onAll(`SELECT articles::text AS row FROM tag_stat WHERE tag = '${tag}'`)).toEqual(['2']);
    await expectRight();
  });
});
