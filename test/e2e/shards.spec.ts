import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { discrepancies } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';

/** What people see does not tell over how many shards it is spread: the same walk on one, on three and on four. */
describe.each([1, 3, 4])('on %i shards', (shards) => {
  const conduit = useConduit({ shards });
  let authors: Member[];
  let reader: Member;
  let visitor: Actor;
  let tag: string;
  /** Newest first, with their authors. */
  let written: { slug: string; author: Member }[];
  const COUNT = 40;

  beforeAll(async () => {
    authors = await conduit.cast(...Array.from({ length: 8 }, (_, index) => `author${index}x`));
    reader = await conduit.someone('reader');
    visitor = conduit.anonymous();
    tag = conduit.unique('tag');
    written = [];
    for (let index = 0; index < COUNT; index += 1) {
      const author = authors[(index * 3) % authors.length]!;
      const answer = await author.publish(draft({ title: `Number ${index}`, tagList: [tag] }));
      written.unshift({ slug: answer.is(201).article.slug, author });
    }
  });

  const slugs = (wanted: (one: { slug: string; author: Member }, index: number) => boolean) =>
    written.filter(wanted).map(({ slug }) => slug);

  it('lists are merged in order, page by page', async () => {
    for (const filter of [{}, { tag }]) {
      const walked: string[] = [];
      for (let offset = 0; offset < COUNT; offset += 7) {
        const page = (await visitor.articles({ ...filter, limit: 7, offset })).is(200);
        expect(page.articlesCount).toBe(COUNT);
        walked.push(...page.slugs);
      }
      expect(walked).toEqual(slugs(() => true));
    }
  });

  it('a feed, favorites and following come from wherever they are', async () => {
    const followed = authors.slice(0, 3);
    for (const author of followed) (await reader.follow(author.name)).is(200);
    for (const { slug } of written.slice(0, 10)) (await reader.favorite(slug)).is(200);
    const feed = (await reader.feed({ limit: 100 })).is(200);
    expect(feed.slugs).toEqual(slugs(({ author }) => followed.includes(author)));
    expect(feed.articlesCount).toBe(feed.slugs.length);
    const favorites = (await visitor.articles({ favorited: reader.name, limit: 100 })).is(200);
    expect([favorites.slugs, favorites.articlesCount]).toEqual([slugs((_, index) => index < 10), 10]);
    const { articles } = (await reader.articles({ limit: 100 })).is(200);
    expect(articles.map(({ favorited, author }) => [favorited, author.following])).toEqual(
      written.map(({ author }, index) => [index < 10, followed.includes(author)]),
    );
  });

  it('names are unique over all of them', async () => {
    const taken = {
      username: authors[0]!.name,
      email: `${conduit.unique('x')}@example.com`,
      password: 'password',
    };
    expect((await visitor.register(taken)).status).toBe(409);
    const renamed = conduit.unique('renamed');
    (await authors[1]!.updateMe({ username: renamed })).is(200);
    const listed = (await visitor.articles({ author: renamed, limit: 100 })).is(200);
    expect(listed.slugs).toEqual(slugs(({ author }) => author === authors[1]));
  });

  it('each has a share of the rows, and they add up', async () => {
    expect(await discrepancies(shardUrlsOf(conduit.site))).toEqual([]);
    (await authors[2]!.remove(slugs(({ author }) => author === authors[2])[0]!)).is(204);
    expect((await visitor.articles()).is(200).articlesCount).toBe(COUNT - 1);
    expect(await discrepancies(shardUrlsOf(conduit.site))).toEqual([]);
  });
});
