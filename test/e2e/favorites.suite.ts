import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import type { SiteOptions } from '../support/site.js';

export function favoritesSuite(options: SiteOptions = {}): void {
  const conduit = useConduit(options);
  let ada: Member;
  let bob: Member;
  let eve: Member;
  let visitor: Actor;
  let slug: string;

  beforeAll(async () => {
    [ada, bob, eve] = (await conduit.cast('ada', 'bob', 'eve')) as [Member, Member, Member];
    visitor = conduit.anonymous();
  });

  beforeEach(async () => {
    slug = (await ada.publish(draft())).is(201).article.slug;
  });

  /** What a reader sees of the article's favorites, alone and in a list. */
  async function seenBy(reader: Actor): Promise<readonly [boolean, number]> {
    const { favorited, favoritesCount } = (await reader.article(slug)).is(200).article;
    const [item] = (await reader.articles({ author: ada.name, limit: 1 })).is(200).articles;
    expect([item?.slug, item?.favorited, item?.favoritesCount]).toEqual([slug, favorited, favoritesCount]);
    return [favorited, favoritesCount];
  }

  describe('a favorite', () => {
    it('is counted for everybody at once, and is its owner’s alone', async () => {
      const { article } = (await bob.favorite(slug)).is(200);
      expect([article.slug, article.favorited, article.favoritesCount]).toEqual([slug, true, 1]);
      expect(await seenBy(bob)).toEqual([true, 1]);
      for (const other of [visitor, ada, eve, conduit.anonymous()])
        expect(await seenBy(other)).toEqual([false, 1]);
      expect((await eve.favorite(slug)).is(200).article.favoritesCount).toBe(2);
      expect(await seenBy(bob)).toEqual([true, 2]);

      const undone = (await bob.unfavorite(slug)).is(200).article;
      expect([undone.favorited, undone.favoritesCount]).toEqual([false, 1]);
      expect(await seenBy(bob)).toEqual([false, 1]);
      expect(await seenBy(eve)).toEqual([true, 1]);
    });

    it('twice is a favorite once, and so for its opposite', async () => {
      for (const [favorited, count] of [
        [true, 1],
        [true, 1],
        [false, 0],
        [false, 0],
      ] as const) {
        const { article } = (await (favorited ? bob.favorite(slug) : bob.unfavorite(slug))).is(200);
        expect([article.favorited, article.favoritesCount]).toEqual([favorited, count]);
        expect(await seenBy(bob)).toEqual([favorited, count]);
      }
    });

    it('of one’s own article counts too', async () => {
      expect((await ada.favorite(slug)).is(200).article.favoritesCount).toBe(1);
      expect(await seenBy(ada)).toEqual([true, 1]);
    });

    it('puts the article into the list of what its owner favorites, and takes it out', async () => {
      const listed = async (reader: Actor) => {
        const answer = (await reader.articles({ favorited: bob.name })).is(200);
        return { has: answer.slugs.includes(slug), count: answer.articlesCount };
      };
      const { count } = await listed(visitor);
      (await bob.favorite(slug)).is(200);
      for (const reader of [conduit.anonymous(), bob, eve]) {
        expect(await listed(reader)).toEqual({ has: true, count: count + 1 });
      }
      (await bob.unfavorite(slug)).is(200);
      for (const reader of [conduit.anonymous(), bob, eve]) {
        expect(await listed(reader)).toEqual({ has: false, count });
      }
    });

    it('leaves updatedAt as it was', async () => {
      const before = (await visitor.article(slug)).is(200).article.updatedAt;
      (await bob.favorite(slug)).is(200);
      expect((await visitor.article(slug)).is(200).article.updatedAt).toBe(before);
    });

    it('needs a token, and an article', async () => {
      for (const answer of [await visitor.favorite(slug), await visitor.unfavorite(`${slug}x`)]) {
        expect(answer.is(401).errors).toEqual({ token: ['is missing'] });
      }
      for (const answer of [await bob.favorite(`${slug}x`), await bob.unfavorite(`${slug}x`)]) {
        expect(answer.is(404).errors).toEqual({ article: ['not found'] });
      }
    });

    it('takes an empty body that says it is JSON', async () => {
      const headers = { 'content-type': 'application/json' };
      for (const id of ['CreateArticleFavorite', 'DeleteArticleFavorite']) {
        expect((await bob.ask(id, { path: { slug }, headers })).status).toBe(200);
      }
    });
  });
}
