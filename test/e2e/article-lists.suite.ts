import type { Actor, Filter, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';

export function articleListsSuite(): void {
  const conduit = useConduit();
  let ada: Member;
  let bob: Member;
  let visitor: Actor;
  /** Oldest first; even ones by Ada, odd ones by Bob; every third one is tagged `third`. */
  let slugs: string[];
  let all: string;
  let third: string;
  const COUNT = 27;

  beforeAll(async () => {
    [ada, bob] = (await conduit.cast('ada', 'bob')) as [Member, Member];
    visitor = conduit.anonymous();
    [all, third] = [conduit.unique('all'), conduit.unique('third')];
    slugs = [];
    for (let index = 0; index < COUNT; index += 1) {
      const tagList = index % 3 === 0 ? [all, third] : [all];
      const answer = await (index % 2 === 0 ? ada : bob).publish(
        draft({ title: `Number ${index}`, tagList }),
      );
      slugs.push(answer.is(201).article.slug);
    }
  });

  const newest = (wanted: (index: number) => boolean): string[] =>
    slugs.filter((_, index) => wanted(index)).reverse();

  async function pageOf(
    filter: Filter,
    reader: Actor = visitor,
  ): Promise<{ slugs: string[]; count: number }> {
    const answer = (await reader.articles(filter)).is(200);
    return { slugs: answer.slugs, count: answer.articlesCount };
  }

  describe('a list', () => {
    it('is newest first, twenty by default, with the exact total', async () => {
      expect(await pageOf({ tag: all })).toEqual({ slugs: newest(() => true).slice(0, 20), count: COUNT });
    });

    it('without a filter begins with the newest of the site', async () => {
      const page = (await visitor.articles()).is(200);
      expect(page.articles.length).toBe(20);
      expect(page.slugs[0]).toBe(slugs.at(-1));
      expect(page.articlesCount).toBeGreaterThanOrEqual(COUNT);
    });

    it('counts one more after one more, and one less after one less', async () => {
      const count = async () =>
        (await conduit.anonymous().articles({ author: bob.name })).is(200).articlesCount;
      const before = await count();
      const { slug } = (await bob.publish(draft())).is(201).article;
      expect(await count()).toBe(before + 1);
      (await bob.remove(slug)).is(204);
      expect(await count()).toBe(before);
    });

    it.each([1, 7, 20, 27, 100])('is walked in pages of %i without a gap or a repetition', async (limit) => {
      const walked: string[] = [];
      for (let offset = 0; offset < COUNT; offset += limit) {
        const page = await pageOf({ tag: all, limit, offset });
        expect(page.count).toBe(COUNT);
        expect(page.slugs.length).toBe(Math.min(limit, COUNT - offset));
        walked.push(...page.slugs);
      }
      expect(walked).toEqual(newest(() => true));
    });

    it('is empty past its end, and still says the total', async () => {
      expect(await pageOf({ tag: all, offset: COUNT })).toEqual({ slugs: [], count: COUNT });
      expect(await pageOf({ tag: all, offset: 500 })).toEqual({ slugs: [], count: COUNT });
    });

    it('never has more than a hundred', async () => {
      const answer = await visitor.articles({ limit: 101 });
      if (answer.status === 422) expect(Object.keys(answer.errors)).toEqual(['limit']);
      else expect(answer.is(200).articles.length).toBeLessThanOrEqual(100);
      expect((await visitor.articles({ tag: all, limit: 100 })).is(200).articles.length).toBe(COUNT);
    });

    it.each(['limit', 'offset'])('refuses a bad %s, under its name', async (name) => {
      for (const value of ['-1', '1.5', 'x', '', ' ', '1e2', '0x10', '9'.repeat(30), 'NaN', 'null', '+1']) {
        const answer = await visitor.articles({ [name]: value });
        expect({ value, status: answer.status }).toEqual({ value, status: 422 });
        expect(Object.keys(answer.errors)).toEqual([name]);
      }
    });

    it('refuses a limit of nothing', async () => {
      expect(Object.keys((await visitor.articles({ limit: 0 })).is(422).errors)).toEqual(['limit']);
    });

    it('has each item as the article is, without its body', async () => {
      const { articles } = (await bob.articles({ tag: all, limit: 3 })).is(200);
      for (const item of articles) {
        const { body: _, ...article } = (await bob.article(item.slug)).is(200).article;
        expect(item).toEqual(article);
      }
    });

    it('keeps the order of creation when an old one is edited', async () => {
      (await ada.edit(slugs[0]!, { body: 'Edited.' })).is(200);
      expect((await pageOf({ tag: all, limit: 100 })).slugs).toEqual(newest(() => true));
    });
  });

  describe('a filter', () => {
    it('by author', async () => {
      expect(await pageOf({ author: ada.name })).toEqual({
        slugs: newest((index) => index % 2 === 0),
        count: 14,
      });
      expect(await pageOf({ author: conduit.unique('nobody') })).toEqual({ slugs: [], count: 0 });
    });

    it('by tag', async () => {
      expect(await pageOf({ tag: third })).toEqual({ slugs: newest((index) => index % 3 === 0), count: 9 });
      expect(await pageOf({ tag: conduit.unique('unused') })).toEqual({ slugs: [], count: 0 });
    });

    it('by both narrows by both', async () => {
      const wanted = newest((index) => index % 6 === 0);
      expect(await pageOf({ tag: third, author: ada.name })).toEqual({ slugs: wanted, count: wanted.length });
    });

    it('by a favorite, newest article first whatever was favorited last', async () => {
      const eve = await conduit.someone('eve');
      for (const index of [5, 0, 12, 3]) (await eve.favorite(slugs[index]!)).is(200);
      const wanted = newest((index) => [0, 3, 5, 12].includes(index));
      for (const reader of [conduit.anonymous(), ada, eve]) {
        expect(await pageOf({ favorited: eve.name }, reader)).toEqual({ slugs: wanted, count: 4 });
      }
      const page = await pageOf({ favorited: eve.name, limit: 2, offset: 1 });
      expect(page).toEqual({ slugs: wanted.slice(1, 3), count: 4 });
      expect(await pageOf({ favorited: eve.name, author: bob.name })).toEqual({
        slugs: newest((index) => [3, 5].includes(index)),
        count: 2,
      });
      expect(await pageOf({ favorited: eve.name, tag: third })).toEqual({
        slugs: newest((index) => [0, 3, 12].includes(index)),
        count: 3,
      });
      expect(await pageOf({ favorited: bob.name })).toEqual({ slugs: [], count: 0 });
    });

    it.each(['tag', 'author', 'favorited'])('by %s takes hostile text as text', async (name) => {
      for (const value of ["' OR 1=1 --", '%', '_', '\\', '🐦', 'a,b', '{}', '*', 'x'.repeat(500)]) {
        const answer = await visitor.articles({ [name]: value });
        if (answer.status === 422) expect(Object.keys(answer.errors)).toEqual([name]);
        else expect([value, answer.is(200).articlesCount]).toEqual([value, 0]);
      }
    });
  });

  describe('a list that is long', () => {
    it('is the same however far down one looks, over authors on any shard', async () => {
      const authors = await conduit.cast('one', 'two', 'three', 'four');
      const tag = conduit.unique('long');
      const written: string[] = [];
      for (let index = 0; index < 240; index += 1) {
        const answer = await authors[index % authors.length]!.publish(draft({ tagList: [tag] }));
        written.unshift(answer.is(201).article.slug);
      }
      for (const offset of [0, 90, 190, 199, 200, 201, 205, 219, 220, 238, 239, 240, 1_000]) {
        for (const reader of [visitor, ada]) {
          const page = await pageOf({ tag, offset }, reader);
          expect({ offset, ...page }).toEqual({
            offset,
            slugs: written.slice(offset, offset + 20),
            count: 240,
          });
        }
      }
      expect(await pageOf({ tag, limit: 100, offset: 150 })).toEqual({
        slugs: written.slice(150, 250),
        count: 240,
      });
      const deep = (await ada.articles({ tag, limit: 3, offset: 210 })).is(200).articles;
      for (const item of deep) {
        const { body: _, ...article } = (await ada.article(item.slug)).is(200).article;
        expect(item).toEqual(article);
      }
    }, 120_000);
  });
}
