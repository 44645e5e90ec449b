import type { Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { closeShards, openShards } from '../support/footprint.js';
import { readModelFaults, unhandled } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';
import { until } from '../support/until.js';

/** Authors with more followers than this are asked when a feed is read. */
const MOST = 2;

describe.each([1, 2])('feeds of authors with too many followers, on %i shards', (shards) => {
  const conduit = useConduit({ shards, environment: { FEED_FAN_OUT_MAX: String(MOST) } });
  let readers: Member[];

  beforeAll(async () => {
    readers = await conduit.cast('reader', 'reader', 'reader', 'reader');
  });

  const publish = async (author: Member, title: string) =>
    (await author.publish(draft({ title }))).is(201).article.slug;
  const feedOf = async (reader: Member, page = {}) => {
    const answer = (await reader.feed(page)).is(200);
    return { slugs: answer.slugs, count: answer.articlesCount };
  };
  /** How many feed entries there are of what somebody wrote. */
  async function entriesOf(author: Member): Promise<number> {
    const clients = await openShards(shardUrlsOf(conduit.site));
    try {
      const [ids, entries] = await Promise.all(
        [
          `SELECT id::text FROM users WHERE username = '${author.name}'`,
          'SELECT author_id::text AS id FROM feed_entry',
        ].map(async (statement) =>
          (await Promise.all(clients.map((client) => client.query<{ id: string }>(statement))))
            .flatMap(({ rows }) => rows)
            .map(({ id }) => id),
        ),
      );
      return entries!.filter((id) => id === ids![0]).length;
    } finally {
      await closeShards(clients);
    }
  }

  it('are as exact as others, on either side of the threshold', async () => {
    const [many, few] = (await conduit.cast('many', 'few')) as [Member, Member];
    const slugs: string[] = [];
    for (let index = 0; index < 6; index += 1) {
      slugs.unshift(await publish(index % 2 === 0 ? many : few, `Before ${index}`));
    }
    const [reader, ...others] = readers as [Member, ...Member[]];
    for (const author of [many, few]) (await reader.follow(author.name)).is(200);
    expect(await feedOf(reader)).toEqual({ slugs, count: 6 });
    (await others[0]!.follow(many.name)).is(200);
    expect(await entriesOf(many)).toBe(6);

    // One too many: nothing of theirs is written into feeds any more, nor left there.
    (await others[1]!.follow(many.name)).is(200);
    expect(await entriesOf(many)).toBe(0);
    expect(await feedOf(reader)).toEqual({ slugs, count: 6 });
    expect((await feedOf(others[1]!)).count).toBe(3);
    for (let index = 0; index < 4; index += 1) {
      slugs.unshift(await publish(index % 2 === 0 ? many : few, `After ${index}`));
      expect(await feedOf(reader)).toEqual({ slugs, count: slugs.length });
    }
    expect(await entriesOf(many)).toBe(0);
    for (const page of [
      { limit: 3 },
      { limit: 3, offset: 2 },
      { limit: 20, offset: 9 },
      { offset: 10 },
      { offset: 250 },
    ]) {
      const { offset = 0, limit = 20 } = page as { offset?: number; limit?: number };
      expect(await feedOf(reader, page)).toEqual({ slugs: slugs.slice(offset, offset + limit), count: 10 });
    }

    // Back under it: what was decided stays, and so does what is read.
    for (const other of others) (await other.unfollow(many.name)).is(200);
    expect(await feedOf(others[1]!)).toEqual({ slugs: [], count: 0 });
    slugs.unshift(await publish(many, 'Later'));
    expect(await feedOf(reader)).toEqual({ slugs, count: 11 });
    (await many.remove(slugs.shift()!)).is(204);
    expect(await feedOf(reader)).toEqual({ slugs, count: 10 });
    (await reader.unfollow(many.name)).is(200);
    expect((await feedOf(reader)).count).toBe(5);
    expect(await readModelFaults(shardUrlsOf(conduit.site))).toEqual([]);
  });

  it('are exact after everybody follows, leaves, publishes and deletes at once', async () => {
    const authors = (await conduit.cast('busy', 'busy')) as [Member, Member];
    await Promise.all([
      ...authors.map(async (author) => {
        for (let index = 0; index < 12; index += 1) {
          const slug = await publish(author, `Busy ${index}`);
          if (index % 3 === 0) (await author.remove(slug)).is(204);
        }
      }),
      ...readers.map(async (reader, place) => {
        for (let index = 0; index < 8; index += 1) {
          const author = authors[(index + place) % 2]!;
          (await (index % 4 < 2 ? reader.follow(author.name) : reader.unfollow(author.name))).is(200);
        }
        (await reader.follow(authors[place % 2]!.name)).is(200);
      }),
    ]);
    const urls = shardUrlsOf(conduit.site);
    let wrong: string[] = [];
    await until('the events to be handled', async () => {
      wrong = [...(await unhandled(urls)), ...(await readModelFaults(urls))];
      return wrong.length === 0;
    }).catch((cause: unknown) => {
      throw new Error(`they are not: ${JSON.stringify(wrong)}`, { cause });
    });
    for (const [place, reader] of readers.entries()) {
      const { slugs } = (await authors[place % 2]!.articles({ author: authors[place % 2]!.name })).is(200);
      expect((await feedOf(reader)).slugs).toEqual(expect.arrayContaining(slugs));
    }
  });
});
