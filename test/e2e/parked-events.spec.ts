import type pg from 'pg';
import type { Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { closeShards, openShards } from '../support/footprint.js';
import { idOfArticle, readModelFaults } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';
import { until } from '../support/until.js';

/** A handler that fails keeps back what belongs to its key, and nothing else; when it can, it goes on where it was. */
const conduit = useConduit({ environment: { LOG_LEVEL: 'silent', READ_AFTER_WRITE_MS: '250' } });
let author: Member;
let fan: Member;
let clients: pg.Client[];

beforeAll(async () => {
  [author, fan] = (await conduit.cast('author', 'fan')) as [Member, Member];
  clients = await openShards(shardUrlsOf(conduit.site));
  conduit.beforeClose(() => closeShards(clients));
});

const onAll = (statement: string) => Promise.all(clients.map((client) => client.query(statement)));
const parkedKeys = async () =>
  (await onAll(`SELECT DISTINCT key FROM rookery_parked WHERE grp = 'favorited-list'`)).flatMap(({ rows }) =>
    (rows as { key: string }[]).map(({ key }) => key),
  );
const listed = async () => (await conduit.anonymous().articles({ favorited: fan.name })).is(200).slugs;

it('parks the events of one article, lets those of others through, and makes up for it later', async () => {
  const publish = async (title: string) => (await author.publish(draft({ title }))).is(201).article.slug;
  const [bad, good] = [await publish('Bad'), await publish('Good')];
  const id = await idOfArticle(clients, bad);
  await onAll(`CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.article_id = '${id}' THEN RAISE EXCEPTION 'refused by the test'; END IF; RETURN NEW; END $$`);
  await onAll(
    'CREATE TRIGGER refuse_one BEFORE INSERT ON favorited FOR EACH ROW EXECUTE FUNCTION refuse_one()',
  );

  (await fan.favorite(bad)).is(200);
  (await fan.favorite(good)).is(200);
  await until('it is parked', async () => (await parkedKeys()).length > 0);
  expect(await parkedKeys()).toEqual([id]);
  // Answers do not wait for long here, so each of these may show a moment later.
  await until('the other one is in the list', async () => (await listed()).includes(good));
  expect(await listed()).toEqual([good]);
  // What follows under the same key waits behind it, although it would go through; what is under another does not.
  (await fan.unfavorite(bad)).is(200);
  (await fan.favorite(bad)).is(200);
  (await fan.unfavorite(good)).is(200);
  await until('the other one is out of the list', async () => !(await listed()).includes(good));
  expect(await listed()).toEqual([]);

  await onAll('DROP TRIGGER refuse_one ON favorited');
  await until('it is made up for', async () => (await listed()).includes(bad));
  await until('nothing is parked any more', async () => (await parkedKeys()).length === 0);
  expect(await listed()).toEqual([bad]);
  expect(await readModelFaults(shardUrlsOf(conduit.site))).toEqual([]);
}, 120_000);
