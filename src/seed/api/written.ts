import type { Account } from './accounts.js';
import type { ApiClient } from './api-client.js';

/** An article that is there. */
export interface WrittenArticle {
  readonly slug: string;
  readonly title: string;
  readonly favoritesCount: number;
}

const PAGE = 100;

/**
 * What a user has written, by title: read once, when it is first asked for, and only of users who were there before this run.
 */
export class WrittenArticles {
  private readonly read = new Map<string, Promise<ReadonlyMap<string, WrittenArticle>>>();

  constructor(private readonly api: ApiClient) {}

  async find({ username, known }: Account, title: string): Promise<WrittenArticle | undefined> {
    if (!known) return undefined;
    let articles = this.read.get(username);
    if (!articles) {
      articles = this.all(username);
      this.read.set(username, articles);
    }
    return (await articles).get(title);
  }

  private async all(username: string): Promise<Map<string, WrittenArticle>> {
    const articles = new Map<string, WrittenArticle>();
    for (let offset = 0; ; offset += PAGE) {
      const query = `author=${encodeURIComponent(username)}&limit=${PAGE}&offset=${offset}`;
      const { body } = await this.api.ask<{ articles: WrittenArticle[]; articlesCount: number }>(
        'GET',
        `/articles?${query}`,
      );
      for (const article of body.articles) articles.set(article.title, article);
      if (body.articles.length < PAGE) return articles;
    }
  }
}
