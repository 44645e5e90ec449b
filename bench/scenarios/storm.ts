import { setTimeout as pause } from 'node:timers/promises';
import { freePorts, startRedis } from '@rookery/devstack/testing';
import { benchDatabases, fill } from '../databases.js';
import { median, type Report, type Scenario } from '../harness.js';
import { atRate } from '../paced-load.js';
import { getRequest, RawClient } from '../raw-client.js';
import { startConduit } from '../servers.js';

const ARTICLES = 500;
const CONNECTIONS = 64;
/** Each writes to an article of its own, one after the other: a write takes longer than 1/50 s on a busy machine. */
const AUTHORS = 5;
const READS_PER_SECOND = 2_000;
const WRITES_PER_SECOND = 50;
const SECONDS = 10;
const GOAL_LOADS = 2;
const VERSION = /"description":"storm (\d+) version (\d+)"/g;
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
  const authors = await Promise.all(Array.from({ length: AUTHORS }, (_, id) => Author.register(port, id)));
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawClient.to(port)));
  const request = getRequest(port, LIST);
  const acknowledged = authors.map(() => 0);
  const [readMs, writeMs]: [number[], number[]] = [[], []];
  let stale = 0;
  for (const author of authors) await author.write(0);
  const before = await refills(opsPort);
  const read = async (client: RawClient): Promise<void> => {
    const [atLeast, began] = [[...acknowledged], performance.now()];
    const page = (await client.ask(request)).toString();
    readMs.push(performance.now() - began);
    const seen = authors.map(() => -1);
    for (const [, id, version] of page.matchAll(VERSION)) seen[Number(id)] = Number(version);
    if (!atLeast.every((version, id) => seen[id]! >= version)) stale += 1;
  };
  const write = async (author: Author, id: number): Promise<void> => {
    const began = performance.now();
    await author.write(acknowledged[id]! + 1);
    writeMs.push(performance.now() - began);
    acknowledged[id]! += 1;
  };
  const [since, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all([
    ...clients.map((client) => atRate(READS_PER_SECOND / CONNECTIONS, SECONDS, () => read(client))),
    ...authors.map((author, id) => atRate(WRITES_PER_SECOND / AUTHORS, SECONDS, () => write(author, id))),
  ]);
  const seconds = (performance.now() - since) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const [reads, writes] = [readMs.length, writeMs.length];
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
  const [perRead, perWrite] = [median(readMs).toFixed(1), median(writeMs).toFixed(1)];
  const share = ((user + system) / 1e6 / seconds).toFixed(2);
  report.say(
    `  a read took ${perRead} ms, a write ${perWrite} ms (medians); the client had ${share} of a core`,
  );
}

/** Whose one article is among the newest of the list, and changes with each write. */
class Author {
  private constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly id: number,
    private readonly slug: string,
  ) {}

  static async register(port: number, id: number): Promise<Author> {
    const url = `http://127.0.0.1:${port}/api`;
    const username = `stormy-${id}`;
    const user = { username, email: `${username}@example.org`, password: 'a password of the storm' };
    const signedUp = await sent<{ user: { token: string } }>('POST', `${url}/users`, { user });
    const article = { title: `Storm ${id}`, description: `storm ${id} version 0`, body: 'wind' };
    const { token } = signedUp.user;
    const made = await sent<{ article: { slug: string } }>('POST', `${url}/articles`, { article }, token);
    return new Author(url, token, id, made.article.slug);
  }

  async write(version: number): Promise<void> {
    const article = { description: `storm ${this.id} version ${version}` };
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
