import type { Actor, Filter, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';

export function articlesSuite(): void {
  const conduit = useConduit();
  let ada: Member;
  let bob: Member;
  let visitor: Actor;

  const BLANK = ["can't be blank"];
  const NOT_FOUND = { article: ['not found'] };
  const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

  beforeAll(async () => {
    [ada, bob] = (await conduit.cast('ada', 'bob')) as [Member, Member];
    visitor = conduit.anonymous();
  });

  async function publish(over: Readonly<Record<string, unknown>> = {}) {
    return (await ada.publish(draft(over))).is(201).article;
  }

  describe('a new article', () => {
    it('is what was sent, by its author, at this moment', async () => {
      const before = Date.now();
      const sent = { title: 'How to train', description: 'Ever wonder?', body: '# Very\n\n*carefully*' };
      const article = (await ada.publish({ ...sent, tagList: ['reactjs', 'angularjs'] })).is(201).article;
      expect(article).toEqual({
        ...sent,
        slug: expect.stringMatching(/^how-to-train-[0-9a-hjkmnp-tv-z]+$/),
        tagList: ['reactjs', 'angularjs'],
        createdAt: expect.stringMatching(INSTANT),
        updatedAt: article.createdAt,
        favorited: false,
        favoritesCount: 0,
        author: { username: ada.name, bio: null, image: null, following: false },
      });
      expect(Date.parse(article.createdAt)).toBeGreaterThanOrEqual(before - 1000);
      expect(Date.parse(article.createdAt)).toBeLessThanOrEqual(Date.now() + 1000);
    });

    it('is read by everybody at once', async () => {
      const article = await publish({ title: 'Read at once', tagList: ['b', 'a'] });
      const { body: _, ...item } = article;
      for (const reader of [conduit.anonymous(), bob, ada]) {
        expect((await reader.article(article.slug)).is(200).article).toEqual(article);
        const newest = (await reader.articles({ author: ada.name, limit: 1 })).is(200).articles;
        expect(newest).toEqual([item]);
      }
    });

    it('has a slug of its own, though its title is taken', async () => {
      const articles = await Promise.all([1, 2, 3].map(() => publish({ title: 'The same' })));
      expect(new Set(articles.map(({ slug }) => slug)).size).toBe(3);
      for (const { slug } of articles) expect((await visitor.article(slug)).is(200).article.slug).toBe(slug);
    });

    it.each([
      ['not sent', undefined],
      ['empty', []],
    ])('has no tags where they are %s', async (_, tagList) => {
      expect((await publish({ tagList })).tagList).toEqual([]);
    });

    it('keeps its tags in the order they were sent in', async () => {
      const tagList = ['z', 'a', 'm', 'B', 'é', '0'];
      const { slug } = await publish({ tagList });
      expect((await visitor.article(slug)).is(200).article.tagList).toEqual(tagList);
      const listed = (await visitor.articles({ author: ada.name, limit: 1 })).is(200).articles;
      expect(listed[0]?.tagList).toEqual(tagList);
    });

    it.each(['title', 'description', 'body'])(
      'is refused with a %s that is blank, null or absent',
      async (field) => {
        for (const value of ['', null, undefined]) {
          expect((await ada.publish(draft({ [field]: value }))).is(422).errors).toEqual({ [field]: BLANK });
        }
      },
    );

    it.each(['title', 'description', 'body'])('is refused with a %s of another type', async (field) => {
      for (const value of [7, false, ['x'], { x: 1 }]) {
        const { errors } = (await ada.publish(draft({ [field]: value }))).is(422);
        expect(Object.keys(errors)).toEqual([field]);
      }
    });

    it.each([['a string'], [{ a: 1 }], [7], [[7]], [[null]], [[['nested']]]])(
      'is refused with %j for tags',
      async (tagList) => {
        expect(Object.keys((await ada.publish(draft({ tagList }))).is(422).errors)).toEqual(['tagList']);
      },
    );

    it.each(['🐦🪺', '!!!', '你好', '  .  ', '\u202eevil'])(
      'keeps the title %j and has a slug that works',
      async (title) => {
        const article = await publish({ title });
        expect(article.title).toBe(title);
        expect(article.slug).toMatch(/^[0-9a-z]+(-[0-9a-z]+)*$/);
        expect((await visitor.article(article.slug)).is(200).article.title).toBe(title);
      },
    );

    it('keeps text of any kind as it was sent', async () => {
      const text =
        ' <script>alert(1)</script> {{x}} %s \\u0041 "\'` \u{1f426}\u{1f3fd} \u05d0\u200f \ufeff\ttab\r\nend ';
      const { slug } = await publish({ title: `A ${text}`, description: text, body: text });
      const { title, description, body } = (await visitor.article(slug)).is(200).article;
      expect([title, description, body]).toEqual([`A ${text}`, text, text]);
    });

    it('keeps a long body', async () => {
      const body = 'Twigs and straw. '.repeat(5_000);
      const { slug } = await publish({ body });
      expect((await visitor.article(slug)).is(200).article.body).toBe(body);
    });

    it('takes no more from a client than the fields it names', async () => {
      const article = await publish({
        slug: 'mine',
        favoritesCount: 99,
        createdAt: '2001-01-01T00:00:00.000Z',
        author: { username: bob.name },
      });
      expect(article.slug).not.toBe('mine');
      expect([article.favoritesCount, article.author.username]).toEqual([0, ada.name]);
      expect(article.createdAt > '2020').toBe(true);
    });
  });

  describe('a reader', () => {
    it('may say that a body is JSON and send none', async () => {
      const { slug } = await publish();
      const headers = { 'content-type': 'application/json' };
      for (const id of [
        'GetArticle',
        'GetArticles',
        'GetArticleComments',
        'GetTags',
        'GetCurrentUser',
        'GetArticlesFeed',
      ]) {
        expect((await ada.ask(id, { path: { slug }, headers })).status).toBe(200);
      }
    });
  });

  describe('an edit', () => {
    it('changes what is sent, keeps the rest, and shows it to everybody at once', async () => {
      const article = await publish({ title: 'Before', tagList: ['kept'] });
      const edited = (await ada.edit(article.slug, { body: 'After.' })).is(200).article;
      expect(edited).toEqual({ ...article, body: 'After.', updatedAt: edited.updatedAt });
      expect(edited.updatedAt).toMatch(INSTANT);
      expect(edited.updatedAt > article.updatedAt).toBe(true);
      for (const reader of [conduit.anonymous(), bob]) {
        expect((await reader.article(article.slug)).is(200).article).toEqual(edited);
      }
      const described = (await ada.edit(article.slug, { description: 'New' })).is(200).article;
      expect([described.description, described.body]).toEqual(['New', 'After.']);
      expect(described.createdAt).toBe(article.createdAt);
    });

    it('of the title gives another slug with the same suffix, and the old one leads nowhere', async () => {
      const article = await publish({ title: 'First title', tagList: ['kept'] });
      (await bob.favorite(article.slug)).is(200);
      (await bob.comment(article.slug, 'Kept.')).is(201);
      const edited = (await ada.edit(article.slug, { title: 'Second title' })).is(200).article;
      expect(edited.slug).toBe(article.slug.replace(/^first-title-/, 'second-title-'));
      for (const reader of [conduit.anonymous(), bob, ada]) {
        expect((await reader.article(article.slug)).is(404).errors).toEqual(NOT_FOUND);
        const found = (await reader.article(edited.slug)).is(200).article;
        expect([found.title, found.favoritesCount, found.tagList]).toEqual(['Second title', 1, ['kept']]);
        expect((await reader.comments(edited.slug)).is(200).comments).toHaveLength(1);
        expect((await reader.articles({ author: ada.name, limit: 1 })).is(200).slugs).toEqual([edited.slug]);
      }
      for (const answer of [
        await ada.edit(article.slug, { body: 'x' }),
        await ada.remove(article.slug),
        await bob.favorite(article.slug),
        await bob.comment(article.slug, 'x'),
        await bob.comments(article.slug),
      ]) {
        expect(answer.is(404).errors).toEqual(NOT_FOUND);
      }
    });

    it('to the title it has keeps the slug', async () => {
      const { slug, title } = await publish({ title: 'Unchanged' });
      expect((await ada.edit(slug, { title, body: 'Else.' })).is(200).article.slug).toBe(slug);
    });

    it('back to the first title gives the first slug', async () => {
      const { slug } = await publish({ title: 'There' });
      const away = (await ada.edit(slug, { title: 'Back again' })).is(200).article.slug;
      expect((await ada.edit(away, { title: 'There' })).is(200).article.slug).toBe(slug);
    });

    it('replaces, clears or keeps the tags', async () => {
      const { slug } = await publish({ tagList: ['one', 'two'] });
      const tagsAfter = async (edit: unknown) => (await ada.edit(slug, edit)).is(200).article.tagList;
      expect(await tagsAfter({ body: 'No word of tags.' })).toEqual(['one', 'two']);
      expect(await tagsAfter({ tagList: ['three', 'one'] })).toEqual(['three', 'one']);
      expect(Object.keys((await ada.edit(slug, { tagList: null })).is(422).errors)).toEqual(['tagList']);
      expect((await visitor.article(slug)).is(200).article.tagList).toEqual(['three', 'one']);
      expect(await tagsAfter({ tagList: [] })).toEqual([]);
      expect((await visitor.article(slug)).is(200).article.tagList).toEqual([]);
    });

    it.each(['title', 'description', 'body'])(
      'refuses a %s that is blank or null, and keeps all',
      async (field) => {
        const article = await publish();
        for (const value of ['', null]) {
          const { errors } = (
            await ada.edit(article.slug, { ...draft({ body: 'Half' }), [field]: value })
          ).is(422);
          expect(errors).toEqual({ [field]: BLANK });
        }
        expect((await visitor.article(article.slug)).is(200).article).toEqual(article);
      },
    );

    it('is for the author alone', async () => {
      const article = await publish();
      expect((await bob.edit(article.slug, { body: 'Mine' })).is(403).errors).toEqual({
        article: ['forbidden'],
      });
      expect((await bob.remove(article.slug)).is(403).errors).toEqual({ article: ['forbidden'] });
      expect((await visitor.edit(article.slug, { body: 'Mine' })).is(401).errors).toEqual({
        token: ['is missing'],
      });
      expect((await visitor.article(article.slug)).is(200).article).toEqual(article);
    });
  });

  describe('a deletion', () => {
    it('takes the article from everybody at once, wherever it was', async () => {
      const tag = conduit.unique('tag');
      const { slug } = await publish({ tagList: [tag] });
      (await bob.follow(ada.name)).is(200);
      (await bob.favorite(slug)).is(200);
      (await bob.comment(slug, 'Gone soon.')).is(201);
      const countOf = async (filter: Filter) => (await visitor.articles(filter)).is(200).articlesCount;
      const written = await countOf({ author: ada.name });
      const favorited = await countOf({ favorited: bob.name });
      const answer = (await ada.remove(slug)).is(204);
      expect(answer.text).toBe('');
      for (const reader of [conduit.anonymous(), bob, ada]) {
        expect((await reader.article(slug)).is(404).errors).toEqual(NOT_FOUND);
        expect((await reader.comments(slug)).is(404).errors).toEqual(NOT_FOUND);
        expect((await reader.articles({ author: ada.name })).is(200).articlesCount).toBe(written - 1);
        expect((await reader.articles({ tag })).is(200).articlesCount).toBe(0);
        expect((await reader.articles({ favorited: bob.name })).is(200).articlesCount).toBe(favorited - 1);
        expect((await reader.tags()).is(200).tags).not.toContain(tag);
      }
      expect((await bob.feed()).is(200).slugs).not.toContain(slug);
      expect((await ada.remove(slug)).is(404).errors).toEqual(NOT_FOUND);
    });

    it('takes an empty body that says it is JSON', async () => {
      const { slug } = await publish();
      const headers = { 'content-type': 'application/json' };
      expect((await ada.ask('DeleteArticle', { path: { slug }, headers })).status).toBe(204);
    });
  });

  describe('a slug', () => {
    it('must match as a whole', async () => {
      const { slug } = await publish({ title: 'The whole slug' });
      const suffix = slug.slice('the-whole-slug-'.length);
      const forged = [
        suffix,
        `another-title-${suffix}`,
        `the-whole-${suffix}`,
        `${slug}-`,
        `-${slug}`,
        `${slug}0`,
        slug.slice(0, -1),
        slug.toUpperCase(),
        'the-whole-slug',
        'the-whole-slug-zzzzzzzzzzzzz',
        'the-whole-slug-!!!',
        'x'.repeat(1_000),
      ];
      for (const other of forged) {
        expect({ other, errors: (await visitor.article(other)).is(404).errors }).toEqual({
          other,
          errors: NOT_FOUND,
        });
      }
    });
  });
}
