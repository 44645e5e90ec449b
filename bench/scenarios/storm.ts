import { setTimeout as pause } from 'node:timers/promises';
import { freePorts, startRedis } from '@rookery/devstack/testing';
import { benchDatabases, fill } from '../databases.js';
import type { Report, Scenario } from '../harness.js';
import { inBursts } from '../paced-load.js';
import { getRequest, RawClient } from '../raw-client.js';
import { startConduit } from '../servers.js';

const ARTICLES = 500;
const CONNECTIONS = 16;
const READS_PER_SECOND = 2_000;
const WRITES_PER_SECOND = 50;
const SECONDS = 10;
const GOAL_LOADS = 2;
const LIST = '/api/articles';

export const storm: Scenario = {
  name: 'storm',
  about:
    'a list asked 2,000 times a second while it is written 50 times a second: loads per write, and no stale read',
  run: async (report) => {
    const [databases, redis, [opsPort]] = await Promise.all([benchDatabases(1), startRedis(), freePorts(1)]);
    try {
      await fill(databases.urls, ARTICLES);
      const site = await startConduit(databases.urls, {
        CACHE: 'on',
        REDIS_URL: redis.url,
        OPS_PORT: String(opsPort),
      });
      try {
        await overSite(report, site.port, opsPort!);
      } finally {
        await site.stop();
      }
    } finally {
      await redis.close();
      await databases.close();
    }
  },
};

async function overSite(report: Report, port: number, opsPort: number): Promise<void> {
  const author = await Author.register(port);
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawClient.to(port)));
  const request = getRequest(port, LIST);
  let [acknowledged, stale, reads, writes] = [0, 0, 0, 0];
  await author.write(0);
  const before = await refills(opsPort);
  const read = async (client: RawClient): Promise<void> => {
    const atLeast = acknowledged;
    const seen = Number(/"description":"version (\d+)"/.exec((await client.ask(request)).toString())?.[1]);
    reads += 1;
    if (!(seen >= atLeast)) stale += 1;
  };
  const since = performance.now();
  await Promise.all([
    inBursts(READS_PER_SECOND / CONNECTIONS, SECONDS, () => Promise.all(clients.map(read))),
    inBursts(WRITES_PER_SECOND, SECONDS, async () => {
      await author.write((writes += 1));
      acknowledged = writes;
    }),
  ]);
  const seconds = (performance.now() - since) / 1000;
  for (const client of clients) client.end();
  // Counts are handed to the meter each second.
  await pause(1_500);
  const loads = (await refills(opsPort)) - before;
  if (stale > 0)
    throw new Error(`${stale} of ${reads} reads did not show a write that was acknowledged before`);
  report.add('storm', 'reads', reads / seconds, READS_PER_SECOND, '1/s', true);
  report.add('storm', 'writes', writes / seconds, WRITES_PER_SECOND, '1/s', true);
  report.add('storm', 'loads per write, against the goal', loads / writes, GOAL_LOADS, 'loads', false);
  report.say(`  ${reads} reads, ${writes} writes, ${loads} loads; no read was stale`);
}

/** Whose one article is the newest of the list, and changes with each write. */
class Author {
  private constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly slug: string,
  ) {}

  static async register(port: number): Promise<Author> {
    const url = `http://127.0.0.1:${port}/api`;
    const user = { username: 'stormy', email: 'stormy@example.org', password: 'a password of the storm' };
    const signedUp = await sent<{ user: { token: string } }>('POST', `${url}/users`, { user });
    const article = { title: 'Storm', description: 'version 0', body: 'wind' };
    const { token } = signedUp.user;
    const made = await sent<{ article: { slug: string } }>('POST', `${url}/articles`, { article }, token);
    return new Author(url, token, made.article.slug);
  }

  async write(version: number): Promise<void> {
    const article = { description: `version ${version}` };
    await sent('PUT', `${this.url}/articles/${this.slug}`, { article }, this.token);
  }
}

async function sent<T>(method: string, url: string, body: unknown, token?: string): Promise<T> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Token ${token}` }) };
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${url} was answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

async function refills(opsPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
  return Number(/^rookery_cache_refills_total\{outcome="ok"\} (\d+)/m.exec(text)?.[1] ?? 0);
}
