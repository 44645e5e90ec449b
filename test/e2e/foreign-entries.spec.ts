import { request } from 'node:http';
import { Cache } from '@rookery/cache';
import fc from 'fast-check';
import type { Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import type { BootedSite } from '../support/site.js';

/** What a request carries beside what its answer depends on. */
const NOISE: Record<string, string>[] = [
  {},
  { accept: 'text/html' },
  { host: 'evil.example' },
  { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
  { 'x-original-url': '/api/user', 'x-rewrite-url': '/api/user' },
  { 'accept-language': 'de', 'accept-encoding': 'gzip' },
  { cookie: 'token=somebody' },
  { 'x-http-method-override': 'DELETE' },
];
const UNKNOWN_QUERY = ['', 'utm_source=x', 'viewer=somebody', 'callback=f', 'limit[]=1', '__proto__=x'];

describe('a cached answer', () => {
  const conduit = useConduit();
  let viewers: (Member | undefined)[];
  let paths: string[];
  const truth = new Map<string, string>();

  beforeAll(async () => {
    const [author, friend, stranger] = await conduit.cast('author', 'friend', 'stranger');
    const tag = conduit.unique('tag');
    const slugs: string[] = [];
    for (const title of ['One', 'Two', 'Three']) {
      slugs.push((await author!.publish(draft({ title, tagList: [tag] }))).is(201).article.slug);
    }
    (await friend!.follow(author!.name)).is(200);
    (await friend!.favorite(slugs[0]!)).is(200);
    (await stranger!.favorite(slugs[1]!)).is(200);
    (await stranger!.comment(slugs[0]!, 'Hm.')).is(201);
    viewers = [undefined, author, friend, stranger];
    paths = [
      '/articles',
      '/articles?limit=1',
      '/articles?limit=1&offset=1',
      `/articles?tag=${tag}`,
      `/articles?author=${author!.name}`,
      `/articles?favorited=${friend!.name}`,
      '/tags',
      ...slugs.flatMap((slug) => [`/articles/${slug}`, `/articles/${slug}/comments`]),
      ...[author, friend, stranger].map((one) => `/profiles/${one!.name}`),
    ];
    const cache = (conduit.site as BootedSite).site.app.get(Cache);
    for (const path of paths) {
      for (const [index, viewer] of viewers.entries()) {
        await cache.invalidateAll();
        truth.set(`${index} ${path}`, await ask(path, authorizationOf(viewer), {}));
      }
    }
  });

  const authorizationOf = (viewer: Member | undefined) => (viewer ? `Token ${viewer.user.token}` : undefined);

  /** By the plain client, which sends the host it is told. */
  function ask(path: string, authorization: string | undefined, headers: Record<string, string>) {
    return new Promise<string>((resolve, reject) => {
      const sent = { ...headers, ...(authorization === undefined ? {} : { authorization }) };
      const call = request(conduit.site.baseUrl + path, { headers: sent, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve(`${response.statusCode} ${body}`));
      });
      call.on('error', reject).end();
    });
  }

  it('is what was made for its viewer and its address, whatever else a request says', async () => {
    const differing = new Set([...truth.values()]).size;
    expect(differing).toBeGreaterThan(paths.length);
    const asked = fc.record({
      path: fc.nat(paths.length - 1),
      viewer: fc.nat(viewers.length - 1),
      noise: fc.constantFrom(...NOISE),
      more: fc.constantFrom(...UNKNOWN_QUERY),
      /** Credentials that are none: their bearer is nobody. */
      forged: fc.constantFrom(
        undefined,
        'Token x',
        'Basic YTpi',
        'Token ',
        'Token eyJhbGciOiJub25lIn0.eyJpZCI6IjEifQ.',
      ),
    });
    await fc.assert(
      fc.asyncProperty(asked, async ({ path: at, viewer: who, noise, more, forged }) => {
        const path = paths[at]!;
        const target = more === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${more}`;
        const authorization = who === 0 ? forged : authorizationOf(viewers[who]);
        expect(await ask(target, authorization, noise)).toBe(truth.get(`${who} ${path}`));
      }),
      { numRuns: 500 },
    );
    expect((conduit.site as BootedSite).site.app.get(Cache).stats().localHits).toBeGreaterThan(200);
  });
});
