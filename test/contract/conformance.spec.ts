import type { Incoming } from '../support/wire.js';
import { errorFaultsOf, faultsOf } from './conformance.js';
import { operation } from './document.js';

/** The check that every answer of the suites goes through, shown what it must not let through. */
const item = {
  slug: 'a-0',
  title: 'A',
  description: 'B',
  tagList: ['c'],
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  favorited: false,
  favoritesCount: 0,
  author: { username: 'ada', bio: null, image: null, following: false },
};

function incoming(status: number, body: unknown, type = 'application/json; charset=utf-8'): Incoming {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: { 'content-type': type }, text, elapsedMs: 1 };
}

describe('an answer that fits', () => {
  it.each([
    ['GetArticles', 200, { articles: [item], articlesCount: 1 }],
    ['GetArticle', 200, { article: { ...item, body: 'D' } }],
    ['GetArticle', 404, { errors: { article: ['not found'] } }],
    ['DeleteArticle', 204, undefined],
  ])('%s %i', (id, status, body) => {
    expect(faultsOf(operation(id), incoming(status, body))).toEqual([]);
  });
});

describe('an answer that does not', () => {
  it.each([
    ['a status it does not declare', 'GetArticle', 403, { errors: { article: ['forbidden'] } }, '403'],
    [
      'a body in a list',
      'GetArticles',
      200,
      { articles: [{ ...item, body: 'D' }], articlesCount: 1 },
      'body',
    ],
    ['no body in an article', 'GetArticle', 200, { article: item }, 'body'],
    [
      'a token in a profile',
      'GetProfileByUsername',
      200,
      { profile: { ...item.author, token: 'x' } },
      'token',
    ],
    ['a field at the top', 'GetTags', 200, { tags: [], count: 0 }, 'count'],
    ['a count that is text', 'GetArticles', 200, { articles: [], articlesCount: '0' }, 'articlesCount'],
    ['a fraction for a number', 'GetArticles', 200, { articles: [], articlesCount: 0.5 }, 'articlesCount'],
    [
      'a time that is none',
      'GetArticle',
      200,
      { article: { ...item, body: 'D', createdAt: 'yesterday' } },
      'createdAt',
    ],
    [
      'null for a boolean',
      'GetProfileByUsername',
      200,
      { profile: { ...item.author, following: null } },
      'following',
    ],
    ['a body where there is none', 'DeleteArticle', 204, {}, 'body'],
    ['no JSON', 'GetTags', 200, 'tags', 'JSON'],
    ['an error without a word', 'GetArticle', 404, { errors: {} }, 'errors'],
    [
      'an error whose message is not in a list',
      'GetArticle',
      404,
      { errors: { article: 'not found' } },
      'article',
    ],
    ['a problem document', 'GetArticle', 404, { title: 'Not Found', status: 404 }, 'errors'],
  ])('%s', (_, id, status, body, named) => {
    const faults = faultsOf(operation(id), incoming(status, body));
    expect(faults.join('\n')).toContain(named);
  });

  it('another content type', () => {
    const faults = faultsOf(operation('GetTags'), incoming(200, { tags: [] }, 'text/html'));
    expect(faults.join('\n')).toContain('text/html');
    expect(errorFaultsOf(incoming(422, { errors: { x: ['y'] } }, 'application/problem+json'))).toHaveLength(
      1,
    );
  });
});
