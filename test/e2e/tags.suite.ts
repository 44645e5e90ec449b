import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import type { SiteOptions } from '../support/site.js';

export function tagsSuite(options: SiteOptions = {}): void {
  const conduit = useConduit(options);
  let ada: Member;
  let bob: Member;

  beforeAll(async () => {
    [ada, bob] = (await conduit.cast('ada', 'bob')) as [Member, Member];
  });

  const publish = async (author: Member, tagList: string[]) =>
    (await author.publish(draft({ tagList }))).is(201).article.slug;

  /** The tags of this test among all: those that begin so. */
  async function tagsOf(stem: string, reader: Actor = conduit.anonymous()): Promise<string[]> {
    return (await reader.tags()).is(200).tags.filter((tag) => tag.startsWith(stem));
  }

  describe('the tags', () => {
    it('are those of all articles, each once, sorted, at once', async () => {
      const stem = conduit.unique('tag');
      await publish(ada, [`${stem}c`, `${stem}a`]);
      await publish(bob, [`${stem}b`, `${stem}a`]);
      for (const reader of [conduit.anonymous(), ada, bob]) {
        expect(await tagsOf(stem, reader)).toEqual([`${stem}a`, `${stem}b`, `${stem}c`]);
      }
    });

    it('go with the last article that has them', async () => {
      const tag = conduit.unique('tag');
      const slugs = [await publish(ada, [tag]), await publish(bob, [tag]), await publish(ada, [tag])];
      (await ada.remove(slugs[0]!)).is(204);
      expect(await tagsOf(tag)).toEqual([tag]);
      (await bob.edit(slugs[1]!, { tagList: [] })).is(200);
      expect(await tagsOf(tag)).toEqual([tag]);
      (await ada.edit(slugs[2]!, { tagList: [`${tag}x`] })).is(200);
      expect(await tagsOf(tag)).toEqual([`${tag}x`]);
    });

    it('lead to the articles that have them now', async () => {
      const [before, after] = [conduit.unique('tag'), conduit.unique('tag')];
      const slug = await publish(ada, [before]);
      const tagged = async (tag: string) => {
        const answer = (await conduit.anonymous().articles({ tag })).is(200);
        expect(answer.articlesCount).toBe(answer.articles.length);
        return answer.slugs;
      };
      expect(await tagged(before)).toEqual([slug]);
      (await ada.edit(slug, { tagList: [after] })).is(200);
      expect(await tagged(before)).toEqual([]);
      expect(await tagged(after)).toEqual([slug]);
    });

    it.each(['🪺', 'עץ', 'C++ & C#', 'a/b?c=d', "it's", 'ÄÖ', 'a,b'])('may be %s', async (text) => {
      const tag = `${conduit.unique('tag')}${text}`;
      const slug = await publish(ada, [tag]);
      expect(await tagsOf(tag)).toEqual([tag]);
      expect((await conduit.anonymous().articles({ tag })).is(200).slugs).toEqual([slug]);
      expect((await conduit.anonymous().article(slug)).is(200).article.tagList).toEqual([tag]);
    });

    it('are exact after parallel changes by many', async () => {
      const stem = conduit.unique('tag');
      const slugs = await Promise.all(Array.from({ length: 12 }, () => publish(ada, [`${stem}a`])));
      await Promise.all(
        slugs.map(async (slug, index) => {
          if (index % 3 === 0) (await ada.remove(slug)).is(204);
          else
            (await ada.edit(slug, { tagList: index % 3 === 1 ? [`${stem}b`] : [`${stem}a`, `${stem}c`] })).is(
              200,
            );
        }),
      );
      expect(await tagsOf(stem)).toEqual([`${stem}a`, `${stem}b`, `${stem}c`]);
      for (const [letter, count] of [
        ['a', 4],
        ['b', 4],
        ['c', 4],
      ] as const) {
        const answer = (await bob.articles({ tag: `${stem}${letter}` })).is(200);
        expect([letter, answer.articlesCount, answer.articles.length]).toEqual([letter, count, count]);
      }
    });

    it('of one article stay whole when they are changed in parallel', async () => {
      const stem = conduit.unique('tag');
      const slug = await publish(ada, [`${stem}0`]);
      const lists = Array.from({ length: 10 }, (_, index) => [`${stem}${index}x`, `${stem}${index}y`]);
      await Promise.all(lists.map(async (tagList) => (await ada.edit(slug, { tagList })).is(200)));
      const { tagList } = (await bob.article(slug)).is(200).article;
      expect(lists).toContainEqual(tagList);
      expect(await tagsOf(stem)).toEqual([...tagList].sort());
    });
  });
}
