import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Shards } from '@rookery/sharding';
import type { Client } from 'pg';
import { migrations } from '../../src/schema.js';
import {
  ApiClient,
  createProgress,
  DEMO,
  emailOf,
  Plan,
  readCorpus,
  recount,
  seedByApi,
  seedInBulk,
  type Package,
  type PlannedArticle,
  type Progress,
} from '../../src/seed/index.js';
import type { Actor } from '../support/actor.js';
import type { Article } from '../support/conduit-types.js';
import { Conduit } from '../support/conduit.js';
import { closeShards, openShards } from '../support/footprint.js';
import { Gate } from '../support/gate.js';
import { shardUrlsOf } from '../support/site.js';

const REPOSITORY = join(import.meta.dirname, '../..');
const PASSWORD = 'a password of the seed';
const LIMIT_MS = 240_000;

let corpus: Package[];
let conduit: Conduit;

beforeAll(async () => {
  corpus = few(await readCorpus(join(REPOSITORY, 'node_modules')), 80);
});
beforeEach(async () => {
  conduit = new Conduit({});
  await conduit.open();
}, LIMIT_MS);
afterEach(() => conduit.close(), LIMIT_MS);

/** Every n-th package, with the dependencies among those: a password is hashed for each of their authors. */
function few(all: readonly Package[], count: number): Package[] {
  const step = Math.floor(all.length / count);
  const place = new Map(Array.from({ length: count }, (_, i) => [i * step, i]));
  const moved = (positions: readonly number[]): number[] =>
    positions.map((position) => place.get(position)).filter((position) => position !== undefined);
  return [...place.keys()].map((position) => {
    const { dependencies, dependents, ...rest } = all[position]!;
    return { ...rest, dependencies: moved(dependencies), dependents: moved(dependents) };
  });
}

/** A progress that nobody sees and that stops the run after so many articles. */
function stopAfter(articles: number): { progress: Progress; signal: AbortSignal } {
  const stop = new AbortController();
  const quiet = createProgress({ write: () => undefined, terminal: false });
  let what = '';
  let done = 0;
  const progress: Progress = {
    ...quiet,
    begin: (name, total) => quiet.begin((what = name), total),
    add: (count) => {
      if (what === 'articles' && (done += count) >= articles) stop.abort(new Error('stopped in the middle'));
    },
  };
  return { progress, signal: stop.signal };
}

const quiet = (): Progress => createProgress({ write: () => undefined, terminal: false });

async function withShards<T>(work: (shards: Shards) => Promise<T>): Promise<T> {
  const shards = new Shards({ shards: shardUrlsOf(conduit.site).map((url) => ({ url })), migrations });
  await shards.start();
  try {
    return await work(shards);
  } finally {
    await shards.close();
  }
}

const planned = (plan: Plan): PlannedArticle[] =>
  Array.from({ length: plan.articles }, (_, i) => plan.article(i));

/** Tally of a list, the largest first. */
function tally(names: readonly string[]): [name: string, count: number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/** Holds all that the API says against what was planned, and the counters against the rows. */
async function expectSeeded(plan: Plan): Promise<void> {
  const reader = conduit.anonymous();
  const articles = planned(plan);
  const count = async (filter: Parameters<Actor['articles']>[0]): Promise<number> =>
    (await reader.articles({ ...filter, limit: 1 })).is(200).articlesCount;

  expect(await count({})).toBe(articles.length);
  for (const [author, written] of tally(articles.map((article) => article.author)).slice(0, 5)) {
    expect([author, await count({ author })]).toEqual([author, written]);
  }
  const tags = tally(articles.flatMap((article) => [...article.tags]));
  for (const [tag, tagged] of [...tags.slice(0, 5), ...tags.slice(-5)]) {
    expect([tag, await count({ tag })]).toEqual([tag, tagged]);
  }
  expect((await reader.tags()).is(200).tags).toHaveLength(tags.length);
  for (const [fan, favorited] of tally(articles.flatMap(({ fans }) => [...fans])).slice(0, 5)) {
    expect([fan, await count({ favorited: fan })]).toEqual([fan, favorited]);
  }

  const sums = await withShards(recount);
  expect(sums).toEqual({
    users: plan.people().length,
    articles: articles.length,
    tags: articles.reduce((sum, article) => sum + article.tags.length, 0),
    favorites: articles.reduce((sum, { fans }) => sum + fans.length, 0),
    comments: articles.reduce((sum, { comments }) => sum + comments.length, 0),
    follows: [...plan.follows()].reduce((sum, [, followed]) => sum + followed.length, 0),
    faults: [],
    outdated: [],
  });
}

/** Looks at single articles through the API, whole. */
async function expectShown(samples: readonly PlannedArticle[]): Promise<void> {
  const reader = conduit.anonymous();
  for (const sample of samples) {
    const list = (await reader.articles({ author: sample.author, limit: 100 })).is(200);
    const item = (list.articles as Article[]).find(({ title }) => title === sample.title)!;
    const { article } = (await reader.article(item.slug)).is(200);
    expect({ ...article, author: undefined }).toMatchObject({
      title: sample.title,
      description: sample.description,
      body: sample.body,
      tagList: sample.tags,
      favoritesCount: sample.fans.length,
    });
    const { comments } = (await reader.comments(item.slug)).is(200);
    expect(comments.map(({ body, author }) => [author.username, body]).reverse()).toEqual(
      sample.comments.map(({ body, author }) => [author, body]),
    );
  }
}

async function signInAsDemo(): Promise<Actor> {
  const visitor = conduit.anonymous();
  const { user } = (await visitor.login({ email: emailOf(DEMO), password: PASSWORD })).is(200);
  expect(user.username).toBe(DEMO);
  return visitor.with(`Token ${user.token}`);
}

describe('the seed', () => {
  it(
    'writes through the API, is taken up where it was stopped, and writes nothing twice',
    async () => {
      const api = new ApiClient(conduit.site.baseUrl);
      const plan = new Plan(corpus, { articles: 150, bodyLength: 300 });
      const stopped = stopAfter(40);
      const options = { password: PASSWORD, concurrency: 4 };
      await expect(
        seedByApi(api, plan, { ...options, signal: stopped.signal }, stopped.progress),
      ).rejects.toThrow('stopped in the middle');

      const rest = await seedByApi(api, plan, options, quiet());
      expect(rest.found).toBeGreaterThanOrEqual(40);
      expect(rest.added).toBe(150 - rest.found);
      await expectSeeded(plan);

      expect(await seedByApi(api, plan, options, quiet())).toMatchObject({
        added: 0,
        found: 150,
        comments: 0,
        total: 150,
      });
      await expectSeeded(plan);
      await expectShown([0, 79, 80, 149].map((index) => plan.article(index)));
      const demo = await signInAsDemo();
      expect((await demo.feed()).is(200).articlesCount).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );

  it(
    'writes in bulk what the API then shows, is taken up where it was stopped, and writes nothing twice',
    async () => {
      const plan = new Plan(corpus, { articles: 6_000, bodyLength: 300 });
      const stopped = stopAfter(1);
      await withShards((shards) =>
        expect(seedInBulk(shards, plan, PASSWORD, stopped.progress, stopped.signal)).rejects.toThrow(
          'stopped in the middle',
        ),
      );
      expect((await withShards(recount)).faults).toEqual([]);

      const rest = await withShards((shards) => seedInBulk(shards, plan, PASSWORD, quiet()));
      expect(rest.found).toBeGreaterThan(0);
      expect(rest.added).toBe(6_000 - rest.found);
      await expectSeeded(plan);

      const again = await withShards((shards) => seedInBulk(shards, plan, PASSWORD, quiet()));
      expect(again).toMatchObject({ added: 0, found: 6_000 });
      await expectSeeded(plan);
      await expectShown([5_999, 5_000].map((index) => plan.article(index)));

      // Rows that came in bulk are rows like others: counts go on from them.
      const demo = await signInAsDemo();
      expect((await demo.feed()).is(200).articlesCount).toBeGreaterThan(0);
      const { articles } = (await demo.articles({ favorited: DEMO, limit: 1 })).is(200);
      const { slug, favoritesCount } = articles[0]!;
      expect((await demo.unfavorite(slug)).is(200).article.favoritesCount).toBe(favoritesCount - 1);
      expect((await withShards(recount)).faults).toEqual([]);

      // What is asked for beyond goes on where it ended.
      const more = new Plan(corpus, { articles: 6_500, bodyLength: 300 });
      expect(await withShards((shards) => seedInBulk(shards, more, PASSWORD, quiet()))).toMatchObject({
        added: 500,
        found: 6_000,
      });

      // A name that came in bulk is given up like any other.
      (await demo.updateMe({ username: 'demoted' })).is(200);
      const taker = { username: DEMO, email: 'taker@example.org', password: PASSWORD };
      (await conduit.anonymous().register(taker)).is(201);
      (await demo.updateMe({ username: 'demoted', email: emailOf(DEMO) })).is(200);
    },
    LIMIT_MS,
  );

  it(
    'leaves people alone who have a name that it wanted',
    async () => {
      const visitor = conduit.anonymous();
      const theirs = { username: DEMO, email: 'not-ours@example.org', password: 'nobody knows this' };
      (await visitor.register(theirs)).is(201);
      const plan = new Plan(corpus, { articles: 80, bodyLength: 300 });
      await withShards((shards) => seedInBulk(shards, plan, PASSWORD, quiet()));
      const { user } = (await visitor.login({ email: theirs.email, password: theirs.password })).is(200);
      expect(user.username).toBe(DEMO);
      expect((await visitor.articles({ favorited: DEMO })).is(200).articlesCount).toBe(0);
      expect((await visitor.articles({ favorited: `${DEMO}~seed` })).is(200).articlesCount).toBeGreaterThan(
        0,
      );
      expect(await withShards((shards) => seedInBulk(shards, plan, PASSWORD, quiet()))).toMatchObject({
        added: 0,
        found: 80,
      });
    },
    LIMIT_MS,
  );
});

describe('npm run seed', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'seed-spec-'));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  function start(...args: string[]) {
    const child = spawn(
      process.execPath,
      ['--import', './scripts/run-source.mjs', 'src/seed/main.ts', ...args],
      {
        cwd: REPOSITORY,
        env: {
          ...process.env,
          SHARD_URLS: shardUrlsOf(conduit.site).join(','),
          DATA_DIR: dataDir,
          NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
        },
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    const ended = new Promise<{ code: number | null; output: string }>((resolve) =>
      child.once('close', (code) => resolve({ code, output })),
    );
    return { child, ended };
  }

  async function untilArticles(clients: readonly Client[]): Promise<number> {
    for (;;) {
      const counts = await Promise.all(
        clients.map((client) => client.query('SELECT count(*)::int AS n FROM article')),
      );
      const count = counts.reduce((sum, { rows }) => sum + (rows[0] as { n: number }).n, 0);
      if (count > 0) return count;
      await pause(5);
    }
  }

  it(
    'goes on after it was killed, and ends with a recount that fits',
    async () => {
      const urls = shardUrlsOf(conduit.site);
      const clients = await openShards(urls);
      // Open until a shard has its first articles: the rest is not written before it is killed.
      const gate = await Gate.at(
        urls,
        'INSERT ON article',
        'EXISTS (SELECT FROM article_total WHERE articles > 0)',
      );
      const killed = start('--bulk', '--articles', '12000');
      try {
        await untilArticles(clients);
        await gate.untilReached();
      } finally {
        killed.child.kill('SIGKILL');
        await killed.ended;
        await gate.open();
        await closeShards(clients);
      }
      expect((await killed.ended).code).toBeNull();
      const { code, output } = await start('--bulk', '--articles', '12000').ended;
      expect(output).toMatch(
        /\n[1-9][\d,]* articles were there, [1-9][\d,]* written, [\d,]+ articles\/s into 2 shards\n/,
      );
      expect(output).toContain('now 12,000 articles');
      expect(output).toContain('a recount of all rows equals the counters');
      expect(output).toContain('Sign in as demo · demo@example.com · rookery-demo');
      expect(code).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'writes to the site that --url names, and says what stands in its way',
    async () => {
      const { code, output } = await start(
        '--articles',
        '5',
        '--url',
        `${conduit.site.baseUrl}/`,
        '--from',
        'node_modules/@nestjs',
      ).ended;
      expect(output).toContain(`writing to ${conduit.site.baseUrl}\n`);
      expect(output).toMatch(/0 articles were there, 5 written/);
      expect(code).toBe(0);
      const elsewhere = await start('--url', conduit.site.baseUrl.replace(/api$/, '')).ended;
      expect(elsewhere.code).toBe(1);
      expect(elsewhere.output).toMatch(/\nseed: GET \/tags answered 404/);
    },
    LIMIT_MS,
  );
});
