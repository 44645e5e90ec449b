import { operation, type Operation } from '../contract/document.js';
import { faultsOf } from '../contract/conformance.js';
import { Answer } from './answer.js';
import type { User } from './conduit-types.js';
import { shorten, type Wire } from './wire.js';

export interface Asked {
  /** Values of the path's parameters; encoded here. */
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page of a list. */
export interface Page {
  readonly limit?: string | number;
  readonly offset?: string | number;
}

export interface Filter extends Page {
  readonly tag?: string;
  readonly author?: string;
  readonly favorited?: string;
}

/** Told of each answer that fits the contract. Throws if it is not to be had all the same. */
export type Seen = (operation: Operation, answer: Answer) => void;

/**
 * Somebody who uses the site: one method per operation of the contract, each answer checked against the contract's schema of
 * that operation and status, whatever the test is about.
 */
export class Actor {
  constructor(
    private readonly wire: Wire,
    /** Path under which the operations are, `/api`. */
    private readonly prefix: string,
    private readonly authorization?: string,
    private readonly seen: Seen = () => undefined,
  ) {}

  /** The same connections with another `Authorization`, or none. */
  with(authorization: string | undefined): Actor {
    return new Actor(this.wire, this.prefix, authorization, this.seen);
  }

  /** @throws if the answer does not fit the contract */
  async ask(id: string, { path = {}, query = {}, body, headers = {} }: Asked = {}): Promise<Answer> {
    const asked = operation(id);
    const target = `${this.prefix}${fill(asked.path, path)}${queryOf(query)}`;
    const json = body === undefined ? undefined : JSON.stringify(body);
    const incoming = await this.wire.send({
      method: asked.method,
      path: target,
      headers: {
        ...(this.authorization === undefined ? {} : { authorization: this.authorization }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: json,
    });
    const answer = new Answer(`${asked.method} ${shorten(target)} ${shorten(json ?? '')}`, incoming);
    const faults = faultsOf(asked, incoming);
    if (faults.length > 0) throw new Error(`${faults.join('\n')}\n${answer.describe()}`);
    this.seen(asked, answer);
    return answer;
  }

  login(user: unknown): Promise<Answer> {
    return this.ask('Login', { body: { user } });
  }

  register(user: unknown): Promise<Answer> {
    return this.ask('CreateUser', { body: { user } });
  }

  me(): Promise<Answer> {
    return this.ask('GetCurrentUser');
  }

  updateMe(user: unknown): Promise<Answer> {
    return this.ask('UpdateCurrentUser', { body: { user } });
  }

  profile(username: string): Promise<Answer> {
    return this.ask('GetProfileByUsername', { path: { username } });
  }

  follow(username: string): Promise<Answer> {
    return this.ask('FollowUserByUsername', { path: { username } });
  }

  unfollow(username: string): Promise<Answer> {
    return this.ask('UnfollowUserByUsername', { path: { username } });
  }

  feed(page: Page = {}): Promise<Answer> {
    return this.ask('GetArticlesFeed', { query: { ...page } });
  }

  articles(filter: Filter = {}): Promise<Answer> {
    return this.ask('GetArticles', { query: { ...filter } });
  }

  publish(article: unknown): Promise<Answer> {
    return this.ask('CreateArticle', { body: { article } });
  }

  article(slug: string): Promise<Answer> {
    return this.ask('GetArticle', { path: { slug } });
  }

  edit(slug: string, article: unknown): Promise<Answer> {
    return this.ask('UpdateArticle', { path: { slug }, body: { article } });
  }

  remove(slug: string): Promise<Answer> {
    return this.ask('DeleteArticle', { path: { slug } });
  }

  comments(slug: string): Promise<Answer> {
    return this.ask('GetArticleComments', { path: { slug } });
  }

  comment(slug: string, body: unknown): Promise<Answer> {
    return this.ask('CreateArticleComment', { path: { slug }, body: { comment: { body } } });
  }

  removeComment(slug: string, id: string | number): Promise<Answer> {
    return this.ask('DeleteArticleComment', { path: { slug, id } });
  }

  favorite(slug: string): Promise<Answer> {
    return this.ask('CreateArticleFavorite', { path: { slug } });
  }

  unfavorite(slug: string): Promise<Answer> {
    return this.ask('DeleteArticleFavorite', { path: { slug } });
  }

  tags(): Promise<Answer> {
    return this.ask('GetTags');
  }
}

/** Somebody who is registered. */
export class Member extends Actor {
  constructor(
    wire: Wire,
    prefix: string,
    readonly user: User,
    readonly password: string,
    seen?: Seen,
  ) {
    super(wire, prefix, `Token ${user.token}`, seen);
  }

  /** As they registered. */
  get name(): string {
    return this.user.username;
  }
}

/** The path of an operation with its parameters' values, encoded. */
export function fill(template: string, values: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${template} needs ${name}`);
    return encodeURIComponent(String(value));
  });
}

function queryOf(query: NonNullable<Asked['query']>): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
