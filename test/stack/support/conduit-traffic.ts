import { setTimeout as pause } from 'node:timers/promises';
import { ask, type Answer } from './traffic.js';

interface Author {
  readonly username: string;
  readonly authorization: string;
}

/** Of one line, so that it does not stand in the way of what it looks at. */
const BETWEEN_MS = 10;
const PAGE = 100;
/** A list shows what was written when its event has been handled, which a busy machine does late. */
const LATE_MS = 20_000;
const LOOK_AGAIN_MS = 500;

/** Articles read and published in several lines at once, each request on a connection of its own, until it is stopped. */
export class ConduitTraffic {
  readonly failures: string[] = [];
  readonly acknowledged: string[] = [];
  /** Sent, and not answered by a success: there at most once. */
  readonly doubtful: string[] = [];
  reads = 0;
  private stopping = false;
  private readonly lines: Promise<void>[];

  private constructor(
    private readonly url: string,
    private readonly author: Author,
    lines: number,
  ) {
    this.lines = Array.from({ length: lines }, (_, at) => (at % 2 === 0 ? this.publish(at) : this.read()));
  }

  static async start(url: string, lines = 6): Promise<ConduitTraffic> {
    return new ConduitTraffic(url, await register(url), lines);
  }

  get sent(): number {
    return this.acknowledged.length + this.doubtful.length + this.reads;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.lines);
  }

  /** Articles that were acknowledged and are not there, and any that are there twice; asked again for what may be late. */
  async faults(): Promise<string[]> {
    let faults: string[] = [];
    const end = performance.now() + LATE_MS;
    do {
      faults = await this.faultsNow();
      if (faults.length > 0) await pause(LOOK_AGAIN_MS);
    } while (faults.length > 0 && performance.now() < end);
    return faults;
  }

  private async faultsNow(): Promise<string[]> {
    const there = new Map<string, number>();
    for (let offset = 0; ; offset += PAGE) {
      const query = `author=${this.author.username}&limit=${PAGE}&offset=${offset}`;
      const { status, body } = await ask(`${this.url}/api/articles?${query}`);
      if (status !== 200) return [`the list: ${status} ${body}`];
      const { articles } = JSON.parse(body) as { articles: { title: string }[] };
      for (const { title } of articles) there.set(title, (there.get(title) ?? 0) + 1);
      if (articles.length < PAGE) break;
    }
    const lost = this.acknowledged.filter((title) => !there.has(title)).map((title) => `${title} is lost`);
    const known = new Set([...this.acknowledged, ...this.doubtful]);
    const wrong = [...there].filter(([title, times]) => times > 1 || !known.has(title));
    return [...lost, ...wrong.map(([title, times]) => `${title} is there ${times} times`)];
  }

  private async publish(line: number): Promise<void> {
    for (let n = 0; !this.stopping; n += 1) {
      const title = `Line ${line} number ${n}`;
      const article = { title, description: 'of a test', body: 'Something.', tagList: [`line-${line}`] };
      const ok = await this.send('POST', '/api/articles', 201, JSON.stringify({ article }));
      (ok ? this.acknowledged : this.doubtful).push(title);
      await pause(BETWEEN_MS);
    }
  }

  private async read(): Promise<void> {
    while (!this.stopping) {
      if (await this.send('GET', '/api/articles?limit=5', 200)) this.reads += 1;
      await pause(BETWEEN_MS);
    }
  }

  private async send(method: string, path: string, expected: number, body?: string): Promise<boolean> {
    const { authorization } = this.author;
    const answer: Answer | Error = await ask(this.url + path, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
    }).catch((error: Error) => error);
    if (!(answer instanceof Error) && answer.status === expected) return true;
    const how = answer instanceof Error ? String(answer) : `${answer.status} ${answer.body.slice(0, 200)}`;
    this.failures.push(`${method} ${path}: ${how}`);
    return false;
  }
}

async function register(url: string): Promise<Author> {
  const username = `author${Date.now().toString(36)}`;
  const user = { username, email: `${username}@example.org`, password: 'a long enough password' };
  const headers = { 'content-type': 'application/json' };
  const { status, body } = await ask(`${url}/api/users`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ user }),
  });
  if (status !== 201) throw new Error(`registering: ${status} ${body}`);
  const { token } = (JSON.parse(body) as { user: { token: string } }).user;
  return { username, authorization: `Token ${token}` };
}
