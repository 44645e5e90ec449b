import { resolve } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  status as Status,
  type GrpcObject,
  type Client,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { draft, useConduit } from '../support/conduit.js';
import type { Member } from '../support/actor.js';
import type { BootedSite } from '../support/site.js';

/** A client as anybody makes it who has nothing of ours but the interface. */
const published = loadPackageDefinition(
  loadSync(resolve('src/rpc/proto/conduit.proto'), { defaults: true, longs: String }),
);
const services = (published['conduit'] as GrpcObject)['v1'] as Record<string, ServiceClientConstructor>;

type Answer = Record<string, unknown>;
type Call = (
  request: object,
  metadata: Metadata,
  done: (error: ServiceError | null, answer: Answer) => void,
) => void;

const conduit = useConduit({ environment: { GRPC_PORT: '0' } });
const clients: Client[] = [];
let articles: Client;
let profiles: Client;
let author: Member;
let reader: Member;

beforeAll(async () => {
  const address = (conduit.site as BootedSite).site.grpcAddress!;
  articles = new services['Articles']!(address, credentials.createInsecure());
  profiles = new services['Profiles']!(address, credentials.createInsecure());
  clients.push(articles, profiles);
  [author, reader] = (await conduit.cast('author', 'reader')) as [Member, Member];
});
conduit.beforeClose(async () => clients.forEach((client) => client.close()));

function call(client: Client, method: string, request: object, token?: string): Promise<Answer> {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Token ${token}`);
  const made = (client as unknown as Record<string, Call>)[method]!.bind(client);
  return new Promise((done, fail) =>
    made(request, metadata, (error, answer) => (error ? fail(error) : done(answer))),
  );
}

const failureOf = (made: Promise<unknown>): Promise<ServiceError> =>
  made.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: ServiceError) => error,
  );

async function publish(over: Readonly<Record<string, unknown>> = {}) {
  return (await author.publish(draft(over))).is(201).article;
}

describe('an article', () => {
  it('is what HTTP tells, for whoever the token belongs to', async () => {
    const { slug } = await publish({ title: 'By another way', tagList: ['nests', 'twigs'] });
    await reader.favorite(slug);
    await reader.follow(author.name);
    const { article } = (await reader.article(slug)).is(200);
    const told = {
      slug,
      title: 'By another way',
      description: article.description,
      body: article.body,
      tags: ['nests', 'twigs'],
      favoritesCount: 1,
      createdAt: expect.objectContaining({
        seconds: String(Math.floor(Date.parse(article.createdAt) / 1000)),
      }),
    };
    expect(await call(articles, 'GetArticle', { slug }, reader.user.token)).toMatchObject({
      ...told,
      favorited: true,
      author: { username: author.name, following: true },
    });
    for (const token of [undefined, 'no.such.token']) {
      expect(await call(articles, 'GetArticle', { slug }, token)).toMatchObject({
        ...told,
        favorited: false,
        author: { username: author.name, following: false },
      });
    }
  });

  it('that does not exist is NOT_FOUND, by its code', async () => {
    for (const slug of ['no-such-article', 'not a slug', '']) {
      const error = await failureOf(call(articles, 'GetArticle', { slug }));
      expect(error.code).toBe(Status.NOT_FOUND);
      expect(error.metadata.get('x-error-code')).toEqual(['RK_ARTICLES_NOT_FOUND']);
    }
  });

  it('is not asked for by what is no text', async () => {
    const error = await failureOf(call(articles, 'GetArticle', { slug: 'a\u0000b' }));
    expect(error.code).toBe(Status.INVALID_ARGUMENT);
    expect(error.metadata.get('x-error-code')).toEqual(['RK_HTTP_INVALID_INPUT']);
  });
});

describe('articles', () => {
  it('are told page by page, newest first, by what they are narrowed to', async () => {
    const tag = conduit.unique('tag');
    const slugs: string[] = [];
    for (let n = 0; n < 5; n++) slugs.unshift((await publish({ tagList: [tag] })).slug);
    await publish();
    const found: string[] = [];
    let pages = 0;
    for (let pageToken = ''; pages === 0 || pageToken !== ''; pages++) {
      const page = await call(articles, 'ListArticles', { tag, author: author.name, pageSize: 2, pageToken });
      expect(page).toMatchObject({ totalSize: 5 });
      for (const article of page['articles'] as { slug: string; body: string }[]) {
        expect(article.body).toBe('');
        found.push(article.slug);
      }
      pageToken = page['nextPageToken'] as string;
    }
    expect([found, pages]).toEqual([slugs, 3]);
    expect(await call(articles, 'ListArticles', { author: 'nobody-has-this-name' })).toMatchObject({
      articles: [],
      totalSize: 0,
    });
  });

  it.each([{ pageSize: 101 }, { pageSize: -1 }, { pageToken: 'bm9uZQ' }, { tag: '\u0000' }])(
    'are not told for %j',
    async (request) => {
      const error = await failureOf(call(articles, 'ListArticles', request));
      expect(error.code).toBe(Status.INVALID_ARGUMENT);
    },
  );
});

describe('a profile', () => {
  it('is what HTTP tells; what it leaves open is not there', async () => {
    await reader.follow(author.name);
    const profile = await call(profiles, 'GetProfile', { username: author.name }, reader.user.token);
    expect(profile).toMatchObject({ username: author.name, following: true });
    expect(profile).not.toHaveProperty('bio', expect.any(String));
    const error = await failureOf(call(profiles, 'GetProfile', { username: 'nobody-has-this-name' }));
    expect(error.code).toBe(Status.NOT_FOUND);
    expect(error.metadata.get('x-error-code')).toEqual(['RK_PROFILES_NOT_FOUND']);
  });
});
