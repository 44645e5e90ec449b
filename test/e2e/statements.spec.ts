import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { unhandled } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';
import { StatementTap, type Overheard } from '../support/statement-tap.js';
import { until } from '../support/until.js';

/**
 * What a request costs the databases, counted in statements that arrive there. A list of twenty with a viewer: one per shard
 * at most, and one on the viewer's shard; the same for two articles as for twenty, so there is no N+1.
 */
describe.each([1, 2, 4])('with %i shards', (shards) => {
  const tap = new StatementTap();
  // What a cache answers asks for nothing.
  const conduit = useConduit({
    shards,
    through: (urls) => tap.through(urls),
    environment: { CACHE: 'off' },
  });
  let authors: Member[];
  let viewer: Member;
  let visitor: Actor;
  let tag: string;
  let slug: string;

  beforeAll(async () => {
    conduit.afterClose(() => tap.close());
    authors = await conduit.cast('one', 'two', 'three', 'four', 'five');
    viewer = await conduit.someone('viewer');
    visitor = conduit.anonymous();
    tag = conduit.unique('tag');
    for (let index = 0; index < 25; index += 1) {
      const author = authors[index % authors.length]!;
      slug = (await author.publish(draft({ tagList: [tag] }))).is(201).article.slug;
      if (index % 2 === 0) (await viewer.favorite(slug)).is(200);
    }
    for (const author of authors.slice(0, 3)) (await viewer.follow(author.name)).is(200);
    // On a machine that is busy, answers do not wait for all handlers; what those send is not what is counted here.
    const open = () => unhandled(shardUrlsOf(conduit.site));
    await until('the events are handled', async () => (await open()).length === 0);
  });

  /**
   * Statements of a request whose plans are prepared and whose caches are warm. The upkeep of the slot map is not its own; and
   * what else the site does by itself meanwhile can only be more, so that the fewest of several times are those.
   */
  async function statementsOf(ask: () => Promise<unknown>): Promise<Overheard[]> {
    await ask();
    const times: Overheard[][] = [];
    for (let time = 0; time < 3; time += 1) {
      times.push((await tap.during(ask)).filter(({ text }) => !isUpkeep(text)));
    }
    return times.reduce((fewest, heard) => (heard.length < fewest.length ? heard : fewest));
  }

  /** What was heard, if it is more than so many on a shard, with so many besides on any; nothing if it is not. */
  function beyond(heard: readonly Overheard[], perShard: number, besides: number): readonly Overheard[] {
    const excess = Array.from({ length: shards }, (_, shard) => {
      const count = heard.filter((one) => one.shard === shard).length;
      return Math.max(0, count - perShard);
    });
    if (heard.length === 0) throw new Error('no statement was heard: is the site asked through the tap?');
    return excess.reduce((sum, count) => sum + count) > besides ? heard : [];
  }

  it('a list of twenty takes one statement per shard, and one for the viewer', async () => {
    const heard = await statementsOf(async () => {
      expect((await viewer.articles({ tag })).is(200).articles).toHaveLength(20);
    });
    expect(beyond(heard, 1, 1)).toEqual([]);
    expect(beyond(await statementsOf(() => viewer.articles()), 1, 1)).toEqual([]);
    expect(beyond(await statementsOf(() => viewer.articles({ limit: 2 })), 1, 1)).toEqual([]);
  });

  it('a list without a viewer takes one statement per shard', async () => {
    expect(beyond(await statementsOf(() => visitor.articles()), 1, 0)).toEqual([]);
    expect(beyond(await statementsOf(() => visitor.articles({ tag })), 1, 0)).toEqual([]);
  });

  it('a list by author or by favorites asks for the name, and then as any list', async () => {
    expect(beyond(await statementsOf(() => viewer.articles({ author: authors[0]!.name })), 1, 3)).toEqual([]);
    expect(beyond(await statementsOf(() => viewer.articles({ favorited: viewer.name })), 1, 3)).toEqual([]);
  });

  it('a feed takes one statement per shard, and one or two for the viewer', async () => {
    const heard = await statementsOf(async () => {
      expect((await viewer.feed()).is(200).articles).toHaveLength(15);
    });
    expect(beyond(heard, 1, 2)).toEqual([]);
  });

  it('an article takes one statement, and one for the viewer', async () => {
    expect(await statementsOf(() => visitor.article(slug))).toHaveLength(1);
    expect((await statementsOf(() => viewer.article(slug))).length).toBeLessThanOrEqual(2);
  });

  it('a slug that nobody made takes none', async () => {
    expect(await statementsOf(() => visitor.article('no-suffix-of-ours'))).toEqual([]);
  });

  it('the tags take one statement per shard', async () => {
    expect(beyond(await statementsOf(() => visitor.tags()), 1, 0)).toEqual([]);
  });
});

/**
 * What replicas ask now and then by themselves: the slot map, expired names, the lanes of groups, the event
 * log; and what a connection is told that somebody else used before.
 */
function isUpkeep(text: string): boolean {
  return (
    /rookery_(map|present|presence|slot|identity|slot_version|event\w*|groups_share|lane|parked|inbox\w*)\b|state = 'reserved'|^SET statement_timeout/.test(
      text,
    ) && !/\b(article|users|favorite|follow)\b/.test(text)
  );
}
