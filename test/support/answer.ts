import type { IncomingHttpHeaders } from 'node:http';
import type { Article, ArticleItem, Bodies, Comment, Errors, Profile, User } from './conduit-types.js';
import { shorten, type Incoming } from './wire.js';

/** What the site said. Each getter throws, showing the whole answer, if that is not in it. */
export class Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly elapsedMs: number;

  constructor(
    /** For messages. */
    private readonly asked: string,
    incoming: Incoming,
  ) {
    this.status = incoming.status;
    this.headers = incoming.headers;
    this.text = incoming.text;
    this.elapsedMs = incoming.elapsedMs;
  }

  /** This answer. @throws unless it has that status */
  is(status: number): this {
    if (this.status !== status) throw new Error(`expected ${status}\n${this.describe()}`);
    return this;
  }

  get json(): unknown {
    try {
      return JSON.parse(this.text) as unknown;
    } catch (error) {
      throw new Error(`the answer is not JSON\n${this.describe()}`, { cause: error });
    }
  }

  get user(): User {
    return this.part('user');
  }

  get profile(): Profile {
    return this.part('profile');
  }

  get article(): Article {
    return this.part('article');
  }

  get articles(): readonly ArticleItem[] {
    return this.part('articles');
  }

  get articlesCount(): number {
    return this.part('articlesCount');
  }

  get slugs(): string[] {
    return this.articles.map(({ slug }) => slug);
  }

  get comment(): Comment {
    return this.part('comment');
  }

  get comments(): readonly Comment[] {
    return this.part('comments');
  }

  get tags(): readonly string[] {
    return this.part('tags');
  }

  get errors(): Errors {
    return this.part('errors');
  }

  describe(): string {
    // An outage is told to clients without its reason, but for its code.
    const code = this.headers['x-error-code'] ?? '';
    return `${this.asked}\n→ ${this.status} ${String(code)} ${shorten(this.text, 1000)}`;
  }

  private part<K extends keyof Bodies>(name: K): Bodies[K] {
    const json = this.json as Partial<Bodies> | null;
    const part = json?.[name];
    if (part === undefined) throw new Error(`the answer has no '${name}'\n${this.describe()}`);
    return part;
  }
}
