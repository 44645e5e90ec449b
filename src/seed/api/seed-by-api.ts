import { atOnce } from '../at-once.js';
import type { Plan, PlannedArticle } from '../plan/plan.js';
import type { Progress } from '../progress.js';
import { openAccounts, type Account } from './accounts.js';
import type { ApiClient } from './api-client.js';
import { WrittenArticles, type WrittenArticle } from './written.js';

export interface ApiSeedOptions {
  readonly password: string;
  /** Requests at a time. */
  readonly concurrency: number;
  readonly signal?: AbortSignal;
}

export interface ApiSeedResult {
  readonly added: number;
  /** Articles of the plan that were there already. */
  readonly found: number;
  readonly people: number;
  readonly favorites: number;
  readonly comments: number;
  readonly follows: number;
  readonly articleSeconds: number;
  /** As the site counts. */
  readonly total: number;
}

/**
 * Writes the plan as clients would: everybody signs in and does what is theirs to do. May be ended at any point and run
 * again: what is there is found by what it says, and nothing is written twice.
 */
export async function seedByApi(
  api: ApiClient,
  plan: Plan,
  { password, concurrency, signal }: ApiSeedOptions,
  progress: Progress,
): Promise<ApiSeedResult> {
  const usernames = plan.people();
  progress.begin('people', usernames.length);
  const accounts = await openAccounts(api, usernames, {
    password,
    concurrency,
    signal,
    onDone: () => progress.add(1),
  });
  progress.end();

  const writer = new Writer(api, accounts);
  progress.begin('articles', plan.articles);
  const since = performance.now();
  await atOnce(
    numbers(plan.articles),
    concurrency,
    async (index) => {
      await writer.bring(plan.article(index));
      progress.add(1);
    },
    signal,
  );
  const articleSeconds = (performance.now() - since) / 1000;
  progress.end();

  const follows = [...plan.follows()].flatMap(([follower, followed]) =>
    followed.map((name) => [follower, name] as const),
  );
  progress.begin('follows', follows.length);
  await atOnce(
    follows,
    concurrency,
    async ([follower, followed]) => {
      await writer.follow(follower, followed);
      progress.add(1);
    },
    signal,
  );
  progress.end();

  const { body } = await api.ask<{ articlesCount: number }>('GET', '/articles?limit=1');
  return {
    added: writer.added,
    found: writer.found,
    people: accounts.size,
    favorites: writer.favorites,
    comments: writer.comments,
    follows: follows.length,
    articleSeconds,
    total: body.articlesCount,
  };
}

function* numbers(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield i;
}

interface Comment {
  readonly body: string;
  readonly author: { readonly username: string };
}

class Writer {
  added = 0;
  found = 0;
  favorites = 0;
  comments = 0;
  private readonly written: WrittenArticles;

  constructor(
    private readonly api: ApiClient,
    private readonly accounts: ReadonlyMap<string, Account>,
  ) {
    this.written = new WrittenArticles(api);
  }

  /** The article, then what others make of it. */
  async bring(planned: PlannedArticle): Promise<void> {
    const author = this.accounts.get(planned.author)!;
    const before = await this.written.find(author, planned.title);
    const { slug } = before ?? (await this.publish(author, planned));
    if (before) this.found += 1;
    else this.added += 1;
    await this.favor(slug, planned, before);
    await this.comment(slug, planned, before !== undefined);
  }

  async follow(follower: string, followed: string): Promise<void> {
    const { token, username: self } = this.accounts.get(follower)!;
    const { username } = this.accounts.get(followed)!;
    if (username === self) return;
    await this.api.ask('POST', `/profiles/${encodeURIComponent(username)}/follow`, { token });
  }

  private async publish({ token }: Account, planned: PlannedArticle): Promise<WrittenArticle> {
    const { title, description, body, tags } = planned;
    const answer = await this.api.ask<{ article: WrittenArticle }>('POST', '/articles', {
      token,
      body: { article: { title, description, body, tagList: tags } },
    });
    return answer.body.article;
  }

  /** Favorites count once however often they are given, so those that may be there need not be looked for one by one. */
  private async favor(
    slug: string,
    { fans }: PlannedArticle,
    before: WrittenArticle | undefined,
  ): Promise<void> {
    if (before && before.favoritesCount >= fans.length) return;
    for (const fan of fans) {
      await this.api.ask('POST', `/articles/${slug}/favorite`, { token: this.accounts.get(fan)!.token });
      this.favorites += 1;
    }
  }

  private async comment(slug: string, { comments }: PlannedArticle, look: boolean): Promise<void> {
    if (comments.length === 0) return;
    const there = look ? await this.commentsOn(slug) : new Set<string>();
    for (const { author, body } of comments) {
      const { username, token } = this.accounts.get(author)!;
      if (there.has(`${username} ${body}`)) continue;
      await this.api.ask('POST', `/articles/${slug}/comments`, { token, body: { comment: { body } } });
      this.comments += 1;
    }
  }

  private async commentsOn(slug: string): Promise<Set<string>> {
    const { body } = await this.api.ask<{ comments: Comment[] }>('GET', `/articles/${slug}/comments`);
    return new Set(body.comments.map((comment) => `${comment.author.username} ${comment.body}`));
  }
}
