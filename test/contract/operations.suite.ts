import type { Actor, Member } from '../support/actor.js';
import type { Answer } from '../support/answer.js';
import { draft, useConduit } from '../support/conduit.js';
import { contract } from './document.js';
import { pair } from './conformance.js';
import type { SiteOptions } from '../support/site.js';

/**
 * Every operation in every status that the contract declares for it. The client checks each answer against the schema of
 * its operation and status, so what is asserted here is that the status comes when it should, and what an error says.
 *
 * @param edge refuses what no site behind it gets to see: U+0000 in a path
 */
export function operationsSuite(options: SiteOptions = {}, edge: 'none' | 'nginx' = 'none'): void {
  const conduit = useConduit(options);
  let ada: Member;
  let bob: Member;
  let visitor: Actor;
  let slug: string;
  let comment: number;

  const NOBODY = 'nobody-has-this-name';
  const NOWHERE = 'no-such-article-0000000000000';
  /** Decodes to U+0000, which no text may have. */
  const NOT_TEXT = '\u0000';

  beforeAll(async () => {
    [ada, bob] = (await conduit.cast('ada', 'bob')) as [Member, Member];
    visitor = conduit.anonymous();
    slug = (await ada.publish(draft({ tagList: ['twigs'] }))).is(201).article.slug;
    comment = (await ada.comment(slug, 'Mine.')).is(201).comment.id;
  });

  type Scenario = () => Promise<Answer>;

  /** An article of Ada's that may be spoiled. */
  async function another(): Promise<string> {
    return (await ada.publish(draft())).is(201).article.slug;
  }

  const SUCCESSES: Readonly<Record<string, Scenario>> = {
    'Login 200': () => visitor.login({ email: ada.user.email, password: ada.password }),
    'CreateUser 201': () =>
      visitor.register({
        username: conduit.unique('eve'),
        email: `${conduit.unique('eve')}@example.com`,
        password: 'eavesdropper',
      }),
    'GetCurrentUser 200': () => ada.me(),
    'UpdateCurrentUser 200': () => bob.updateMe({ bio: 'Builds.' }),
    'GetProfileByUsername 200': () => visitor.profile(ada.name),
    'FollowUserByUsername 200': () => bob.follow(ada.name),
    'UnfollowUserByUsername 200': () => bob.unfollow(ada.name),
    'GetArticlesFeed 200': () => bob.feed(),
    'GetArticles 200': () => visitor.articles(),
    'CreateArticle 201': () => ada.publish(draft()),
    'GetArticle 200': () => visitor.article(slug),
    'UpdateArticle 200': async () => ada.edit(await another(), { title: 'On larger nests' }),
    'DeleteArticle 204': async () => ada.remove(await another()),
    'GetArticleComments 200': () => visitor.comments(slug),
    'CreateArticleComment 201': () => bob.comment(slug, 'Straw?'),
    'DeleteArticleComment 204': async () =>
      ada.removeComment(slug, (await ada.comment(slug, 'Never mind.')).is(201).comment.id),
    'CreateArticleFavorite 200': () => bob.favorite(slug),
    'DeleteArticleFavorite 200': () => bob.unfavorite(slug),
    'GetTags 200': () => visitor.tags(),
  };

  interface Refusal {
    readonly ask: Scenario;
    /** The whole `errors`, or the names of its keys. */
    readonly says: Readonly<Record<string, readonly string[]>> | readonly string[];
  }

  const notFound = (what: string) => ({ [what]: ['not found'] });
  const forbidden = (what: string) => ({ [what]: ['forbidden'] });
  const TAKEN = ['has already been taken'];
  const BLANK = ["can't be blank"];

  /** In their paths there is nothing to refuse but what is no text. */
  const BY_PATH = [
    'GetProfileByUsername 422',
    'FollowUserByUsername 422',
    'UnfollowUserByUsername 422',
    'GetArticle 422',
    'DeleteArticle 422',
    'GetArticleComments 422',
    'CreateArticleFavorite 422',
    'DeleteArticleFavorite 422',
  ];
  const beforeTheSite = edge === 'nginx' ? BY_PATH : [];

  const REFUSALS: Readonly<Record<string, Refusal>> = {
    'Login 401': {
      ask: () => visitor.login({ email: ada.user.email, password: 'not the password' }),
      says: { credentials: ['invalid'] },
    },
    'Login 422': {
      ask: () => visitor.login({ email: '', password: '' }),
      says: { email: BLANK, password: BLANK },
    },
    'CreateUser 409': {
      ask: () =>
        visitor.register({
          username: ada.name,
          email: `${conduit.unique('ada')}@example.com`,
          password: 'password',
        }),
      says: { username: TAKEN },
    },
    'CreateUser 422': {
      ask: () => visitor.register({ username: '', email: '', password: '' }),
      says: { username: BLANK, email: BLANK, password: BLANK },
    },
    'GetCurrentUser 422': { ask: () => ada.ask('GetCurrentUser', { query: { x: NOT_TEXT } }), says: ['x'] },
    'UpdateCurrentUser 422': { ask: () => ada.updateMe({ username: '' }), says: { username: BLANK } },
    'GetProfileByUsername 404': { ask: () => visitor.profile(NOBODY), says: notFound('profile') },
    'GetProfileByUsername 422': { ask: () => visitor.profile(NOT_TEXT), says: ['username'] },
    'FollowUserByUsername 404': { ask: () => ada.follow(NOBODY), says: notFound('profile') },
    'FollowUserByUsername 422': { ask: () => ada.follow(NOT_TEXT), says: ['username'] },
    'UnfollowUserByUsername 404': { ask: () => ada.unfollow(NOBODY), says: notFound('profile') },
    'UnfollowUserByUsername 422': { ask: () => ada.unfollow(NOT_TEXT), says: ['username'] },
    'GetArticlesFeed 422': { ask: () => ada.feed({ limit: 0 }), says: ['limit'] },
    'GetArticles 422': { ask: () => visitor.articles({ offset: -1 }), says: ['offset'] },
    'CreateArticle 422': {
      ask: () => ada.publish({ title: '', description: '', body: '' }),
      says: { title: BLANK, description: BLANK, body: BLANK },
    },
    'GetArticle 404': { ask: () => visitor.article(NOWHERE), says: notFound('article') },
    'GetArticle 422': { ask: () => visitor.article(NOT_TEXT), says: ['slug'] },
    'UpdateArticle 403': { ask: () => bob.edit(slug, { title: 'Mine now' }), says: forbidden('article') },
    'UpdateArticle 404': { ask: () => ada.edit(NOWHERE, { title: 'Any' }), says: notFound('article') },
    'UpdateArticle 422': { ask: () => ada.edit(slug, { tagList: null }), says: ['tagList'] },
    'DeleteArticle 403': { ask: () => bob.remove(slug), says: forbidden('article') },
    'DeleteArticle 404': { ask: () => ada.remove(NOWHERE), says: notFound('article') },
    'DeleteArticle 422': { ask: () => ada.remove(NOT_TEXT), says: ['slug'] },
    'GetArticleComments 404': { ask: () => visitor.comments(NOWHERE), says: notFound('article') },
    'GetArticleComments 422': { ask: () => visitor.comments(NOT_TEXT), says: ['slug'] },
    'CreateArticleComment 404': { ask: () => ada.comment(NOWHERE, 'Where?'), says: notFound('article') },
    'CreateArticleComment 422': { ask: () => ada.comment(slug, ''), says: { body: BLANK } },
    'DeleteArticleComment 403': { ask: () => bob.removeComment(slug, comment), says: forbidden('comment') },
    'DeleteArticleComment 404': { ask: () => ada.removeComment(slug, 999_999), says: notFound('comment') },
    'DeleteArticleComment 422': { ask: () => ada.removeComment(slug, 'first'), says: ['id'] },
    'CreateArticleFavorite 404': { ask: () => ada.favorite(NOWHERE), says: notFound('article') },
    'CreateArticleFavorite 422': { ask: () => ada.favorite(NOT_TEXT), says: ['slug'] },
    'DeleteArticleFavorite 404': { ask: () => ada.unfavorite(NOWHERE), says: notFound('article') },
    'DeleteArticleFavorite 422': { ask: () => ada.unfavorite(NOT_TEXT), says: ['slug'] },
    'GetTags 422': { ask: () => visitor.ask('GetTags', { query: { x: NOT_TEXT } }), says: ['x'] },
  };

  /** What the contract declares and this site never answers, with the rule that says so. */
  const NEVER: Readonly<Record<string, string>> = {
    'GetProfileByUsername 401': 'a token is optional here, and a bad one is treated as none',
    'GetArticles 401': 'a token is optional here, and a bad one is treated as none',
    'GetArticleComments 401': 'a token is optional here, and a bad one is treated as none',
    'CreateArticle 409': 'a title that is taken gets a slug of its own',
    ...Object.fromEntries(beforeTheSite.map((name) => [name, 'Nginx refuses U+0000 in a path'])),
  };

  describe('an operation that succeeds', () => {
    it.each(Object.keys(SUCCESSES))('%s', async (name) => {
      const answer = await SUCCESSES[name]!();
      expect(answer.is(Number(name.split(' ')[1])).headers['x-content-type-options']).toBe('nosniff');
    });
  });

  describe('an operation that refuses', () => {
    it.each(Object.keys(REFUSALS).filter((name) => !beforeTheSite.includes(name)))('%s', async (name) => {
      const { ask, says } = REFUSALS[name]!;
      const { errors } = (await ask()).is(Number(name.split(' ')[1]));
      if (Array.isArray(says)) expect(Object.keys(errors)).toEqual(says);
      else expect(errors).toEqual(says);
    });
  });

  describe('an operation that needs a token', () => {
    const needing = contract.filter(({ needsToken }) => needsToken).map(({ id }) => id);

    it.each(needing)('%s 401 without one, before it looks whether the path leads anywhere', async (id) => {
      const answer = await visitor.ask(id, { path: { slug: NOWHERE, username: NOBODY, id: 1 } });
      expect(answer.is(401).errors).toEqual({ token: ['is missing'] });
    });

    it.each(needing)('%s 401 with one that was never signed here', async (id) => {
      const forged = visitor.with(`Token ${tampered(ada.user.token)}`);
      const answer = await forged.ask(id, { path: { slug, username: ada.name, id: comment } });
      expect(Object.keys(answer.is(401).errors)).toEqual(['token']);
    });
  });

  describe('the contract', () => {
    const declared = contract.flatMap(({ id, responses }) =>
      [...responses.keys()].map((status) => pair(id, status)),
    );

    it('has seen every operation in every status it declares, except those that a rule excludes', () => {
      const unseen = declared.filter((one) => !conduit.seen.has(one) && NEVER[one] === undefined);
      expect(unseen).toEqual([]);
    });

    it('excludes nothing that the site does answer, or that it does not declare', () => {
      const excluded = Object.keys(NEVER);
      expect(excluded.filter((one) => conduit.seen.has(one) || !declared.includes(one))).toEqual([]);
    });
  });

  /** The token with its signature's first letter changed: the last one may carry bits that do not count. */
  function tampered(token: string): string {
    const at = token.lastIndexOf('.') + 1;
    return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
  }
}
