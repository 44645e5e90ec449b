import { done, register, send, type Person } from './cast.js';
import { Ledger } from './ledger.js';
import type { Outcome } from './outcomes.js';

interface Kind {
  readonly name: string;
  readonly reads: boolean;
  /** Whether it needs nothing of the shard with a server of its own. @default false */
  readonly elsewhere?: boolean;
  readonly perSecond: number;
  /** One request. @throws unless it is a success */
  readonly once: () => Promise<void>;
}

/** More than these are under way only where nothing is answered any more. */
const MOST_UNDER_WAY = 300;
/** Of what was published last, that the others comment on. */
const RECENT = 10;

let runs = 0;

/**
 * A site in use, with everything that was acknowledged noted: people register, publish, favorite, comment and read, so many
 * times a second whether or not the site answers, each on a connection of its own. No client repeats anything.
 */
export class CheckedTraffic {
  readonly outcomes: Outcome[] = [];
  readonly ledger: Ledger;
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private readonly name = `${Date.now().toString(36)}x${(runs += 1)}`;
  private readonly kinds: readonly Kind[];
  private count = 0;
  private favorites = 0;

  /** @param rate 1: some 30 reads and 10 writes a second, which two busy cores bear beside the servers */
  constructor(
    private readonly site: string,
    private readonly people: readonly Person[],
    /** Those of them who live on another shard than the one with a server of its own. */
    private readonly elsewhere: readonly Person[],
    rate = 1,
  ) {
    this.ledger = new Ledger(site);
    this.kinds = [
      { name: 'register', reads: false, perSecond: rate, once: () => this.register() },
      { name: 'publish', reads: false, perSecond: 3 * rate, once: () => this.publish() },
      { name: 'comment', reads: false, perSecond: 3 * rate, once: () => this.comment() },
      { name: 'favorite', reads: false, perSecond: 3 * rate, once: () => this.favorite() },
      { name: 'list', reads: true, perSecond: 8 * rate, once: () => this.read('articles?limit=5') },
      { name: 'feed', reads: true, perSecond: 4 * rate, once: () => this.read('articles/feed?limit=5') },
      { name: 'article', reads: true, perSecond: 8 * rate, once: () => this.readArticle() },
      { name: 'self', reads: true, elsewhere: true, perSecond: 8 * rate, once: () => this.readSelf() },
    ];
  }

  start(): void {
    for (const kind of this.kinds)
      this.timers.push(setInterval(() => this.begin(kind), 1_000 / kind.perSecond));
  }

  /** Whether a request of each kind that was sent after `since` was a success. */
  succeeds(since: number): boolean {
    return this.kinds.every(({ name }) =>
      this.outcomes.some(({ kind, from, failure }) => kind === name && from > since && failure === undefined),
    );
  }

  get failures(): readonly Outcome[] {
    return this.outcomes.filter(({ failure }) => failure !== undefined);
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    await Promise.all(this.underWay);
  }

  private begin({ name, reads, elsewhere = false, once }: Kind): void {
    if (this.underWay.size >= MOST_UNDER_WAY) return;
    const from = performance.now();
    const over = (failure?: string): void => {
      this.outcomes.push({
        kind: name,
        reads,
        elsewhere,
        from,
        to: performance.now(),
        ...(failure !== undefined && { failure }),
      });
      this.underWay.delete(request);
    };
    const request: Promise<void> = once().then(
      () => over(),
      (error: Error) => over(error.message),
    );
    this.underWay.add(request);
  }

  private next(): number {
    return (this.count += 1);
  }

  private someone(): Person {
    return this.people[this.next() % this.people.length]!;
  }

  private async register(): Promise<void> {
    this.ledger.registered(await register(this.site, `new${this.next()}of${this.name}`));
  }

  private async publish(): Promise<void> {
    const title = `Number ${this.next()} of ${this.name}`;
    const article = {
      title,
      description: 'of a run',
      body: 'Something.',
      tagList: [`tag-${this.count % 5}`],
    };
    const as = this.someone();
    const answer = await done(send(`${this.site}/api/articles`, 'POST', { as, body: { article } }));
    this.ledger.published((JSON.parse(answer.body) as { article: { slug: string } }).article.slug, title);
  }

  private async comment(): Promise<void> {
    const article = this.ledger.articles.at(-1 - (this.next() % RECENT)) ?? this.ledger.articles[0];
    if (article === undefined) return this.read('tags');
    const text = `Comment ${this.count} of ${this.name}`;
    const body = { comment: { body: text } };
    await done(
      send(`${this.site}/api/articles/${article.slug}/comments`, 'POST', { as: this.someone(), body }),
    );
    article.comments.push(text);
  }

  /** Of each article by one person after the other, so that each is a write. */
  private async favorite(): Promise<void> {
    const article = this.ledger.articles[Math.floor(this.favorites / this.people.length)];
    if (article === undefined) return this.read('tags');
    const as = this.people[this.favorites % this.people.length]!;
    this.favorites += 1;
    article.doubtful.add(as.username);
    await done(send(`${this.site}/api/articles/${article.slug}/favorite`, 'POST', { as }));
    article.favorites.add(as.username);
  }

  private async readArticle(): Promise<void> {
    const article = this.ledger.articles.at(-1 - (this.next() % RECENT)) ?? this.ledger.articles[0];
    await this.read(article === undefined ? 'tags' : `articles/${article.slug}`);
  }

  /** Who one is, is on one's own shard alone. */
  private async readSelf(): Promise<void> {
    await this.read('user', this.elsewhere[this.next() % this.elsewhere.length]);
  }

  private async read(path: string, as = this.someone()): Promise<void> {
    await done(send(`${this.site}/api/${path}`, 'GET', { as }));
  }
}
