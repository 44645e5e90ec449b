import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import type { SiteOptions } from '../support/site.js';

export function feedSuite(options: SiteOptions = {}): void {
  const conduit = useConduit(options);
  let ada: Member;
  let bob: Member;
  let eve: Member;

  beforeAll(async () => {
    [ada, bob] = (await conduit.cast('ada', 'bob')) as [Member, Member];
  });

  /** Somebody who follows nobody yet. */
  beforeEach(async () => {
    eve = await conduit.someone('eve');
  });

  const publish = async (author: Member, title: string) =>
    (await author.publish(draft({ title }))).is(201).article.slug;

  async function feedOf(reader: Actor, page = {}): Promise<{ slugs: string[]; count: number }> {
    const answer = (await reader.feed(page)).is(200);
    return { slugs: answer.slugs, count: answer.articlesCount };
  }

  describe('a feed', () => {
    it('is empty for who follows nobody, whatever they wrote', async () => {
      await publish(eve, 'Mine');
      expect(await feedOf(eve)).toEqual({ slugs: [], count: 0 });
    });

    it('has what the followed wrote, before and after, newest first, by all of them', async () => {
      const authors = (await conduit.cast('one', 'two', 'three')) as [Member, Member, Member];
      const slugs: string[] = [];
      for (const [index, author] of [...authors, ...authors].entries()) {
        slugs.unshift(await publish(author, `Before ${index}`));
      }
      const elsewhere = conduit.anonymous().with(`Token ${eve.user.token}`);
      for (const author of authors) (await eve.follow(author.name)).is(200);
      expect(await feedOf(elsewhere)).toEqual({ slugs, count: 6 });
      slugs.unshift(await publish(authors[1], 'After'));
      expect(await feedOf(elsewhere)).toEqual({ slugs, count: 7 });
      expect(await feedOf(eve, { limit: 3, offset: 2 })).toEqual({ slugs: slugs.slice(2, 5), count: 7 });
      expect(await feedOf(eve, { offset: 7 })).toEqual({ slugs: [], count: 7 });

      (await eve.unfollow(authors[1].name)).is(200);
      const left = (await feedOf(elsewhere)).slugs;
      expect(left).toHaveLength(4);
      const written = new Set((await eve.articles({ author: authors[1].name })).is(200).slugs);
      expect(left.filter((slug) => written.has(slug))).toEqual([]);
    });

    it('follows an article through its edits to its end', async () => {
      (await eve.follow(bob.name)).is(200);
      const before = await feedOf(eve);
      const slug = await publish(bob, 'In the feed');
      expect((await feedOf(eve)).slugs[0]).toBe(slug);
      const retitled = (await bob.edit(slug, { title: 'Retitled' })).is(200).article;
      expect((await eve.feed({ limit: 1 })).is(200).articles[0]).toMatchObject({
        slug: retitled.slug,
        title: 'Retitled',
        updatedAt: retitled.updatedAt,
      });
      (await bob.remove(retitled.slug)).is(204);
      expect(await feedOf(eve)).toEqual(before);
    });

    it('is its reader’s own view: what they follow and favorite', async () => {
      (await eve.follow(ada.name)).is(200);
      const slug = await publish(ada, 'Seen by Eve');
      (await bob.favorite(slug)).is(200);
      const first = async () => (await eve.feed({ limit: 1 })).is(200).articles[0];
      expect(await first()).toMatchObject({
        slug,
        favorited: false,
        favoritesCount: 1,
        author: { following: true },
      });
      (await eve.favorite(slug)).is(200);
      expect(await first()).toMatchObject({ slug, favorited: true, favoritesCount: 2 });
      expect((await feedOf(bob)).slugs).not.toContain(slug);
    });

    it('has twenty by default, and each once however one turns its pages', async () => {
      const author = await conduit.someone('prolific');
      for (let index = 0; index < 23; index += 1) await publish(author, `Number ${index}`);
      (await eve.follow(author.name)).is(200);
      expect((await feedOf(eve)).slugs).toHaveLength(20);
      const walked = [];
      for (let offset = 0; offset < 23; offset += 5)
        walked.push(...(await feedOf(eve, { limit: 5, offset })).slugs);
      expect(walked).toEqual((await eve.articles({ author: author.name, limit: 100 })).is(200).slugs);
    });

    it.each(['limit', 'offset'])('refuses a bad %s, under its name', async (name) => {
      for (const value of ['-1', '1.5', 'x', '', '9'.repeat(30)]) {
        expect(Object.keys((await ada.feed({ [name]: value })).is(422).errors)).toEqual([name]);
      }
    });

    it('needs a token', async () => {
      expect((await conduit.anonymous().feed()).is(401).errors).toEqual({ token: ['is missing'] });
    });
  });
}
