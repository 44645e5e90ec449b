import { until } from '../../support/until.js';
import { send, type Person } from './cast.js';

const READERS = 6;

interface Written {
  readonly slug: string;
  readonly title: string;
  readonly comments: string[];
  /** Of people whose favorite was acknowledged. */
  readonly favorites: Set<string>;
  /** Of those who have sent one that was not. */
  readonly doubtful: Set<string>;
}

interface Shown {
  readonly article: { readonly title: string; readonly favoritesCount: number };
}

/** What was acknowledged, and whether it is there. */
export class Ledger {
  readonly articles: Written[] = [];
  private readonly people: Person[] = [];

  constructor(private readonly site: string) {}

  registered(person: Person): void {
    this.people.push(person);
  }

  published(slug: string, title: string): void {
    this.articles.push({ slug, title, comments: [], favorites: new Set(), doubtful: new Set() });
  }

  get writes(): number {
    const of = this.articles.map(({ comments, favorites }) => 1 + comments.length + favorites.size);
    return of.reduce((sum, count) => sum + count, this.people.length);
  }

  /** One line for each write that was acknowledged and cannot be read. @throws where the site does not answer */
  async lost(): Promise<string[]> {
    const checks = [
      ...this.people.map((person) => () => this.lostOfPerson(person)),
      ...this.articles.map((article) => () => this.lostOfArticle(article)),
    ];
    const lost: string[] = [];
    const reader = async (): Promise<void> => {
      for (let check = checks.pop(); check !== undefined; check = checks.pop()) lost.push(...(await check()));
    };
    await Promise.all(Array.from({ length: READERS }, reader));
    return lost;
  }

  private async lostOfPerson({ username }: Person): Promise<string[]> {
    return (await this.read(`profiles/${username}`)) === undefined ? [`${username} is lost`] : [];
  }

  private async lostOfArticle({ slug, title, comments, favorites, doubtful }: Written): Promise<string[]> {
    const shown = (await this.read(`articles/${slug}`)) as Shown | undefined;
    if (shown?.article.title !== title) return [`${title} is lost`];
    const lost: string[] = [];
    const { favoritesCount: count } = shown.article;
    const most = favorites.size + [...doubtful].filter((username) => !favorites.has(username)).length;
    if (count < favorites.size || count > most)
      lost.push(`${title} has ${count} favorites, of ${favorites.size} to ${most}`);
    if (comments.length === 0) return lost;
    const there = (await this.read(`articles/${slug}/comments`)) as
      { comments: { body: string }[] } | undefined;
    for (const body of comments) {
      const times = there?.comments.filter((comment) => comment.body === body).length ?? 0;
      if (times !== 1) lost.push(`${body} is there ${times} times`);
    }
    return lost;
  }

  /** Asked again where the site does not answer: that is told of elsewhere. */
  private async read(path: string): Promise<unknown> {
    let answer = { status: 0, body: '' };
    await until(`an answer to GET ${path}`, async () => {
      answer = await send(`${this.site}/api/${path}`, 'GET');
      return answer.status === 200 || answer.status === 404;
    });
    return answer.status === 404 ? undefined : (JSON.parse(answer.body) as unknown);
  }
}
