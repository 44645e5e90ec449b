import type { Package } from '../corpus/corpus.js';
import { cut, LIMITS } from '../corpus/limits.js';
import { DEMO, SUFFIX } from '../corpus/people.js';
import { chance } from './chance.js';

/** An article as it will be written, whoever writes it. */
export interface PlannedArticle {
  readonly index: number;
  readonly author: string;
  /** No other article of its author has it. */
  readonly title: string;
  readonly description: string;
  readonly body: string;
  readonly tags: readonly string[];
  /** Milliseconds since 1970, in the past; grows with the index. */
  readonly at: number;
  /** Usernames, each once. */
  readonly fans: readonly string[];
  /** Oldest first. */
  readonly comments: readonly PlannedComment[];
}

export interface PlannedComment {
  readonly author: string;
  readonly body: string;
}

export interface PlanOptions {
  readonly articles: number;
  /** UTF-16 units of a README that its repetitions carry; the first article of each package has it whole. */
  readonly bodyLength: number;
}

/** Rounds over the corpus after which other people write: an author has some hundreds of articles at most on average, however many there are. */
const ROUNDS_PER_CAST = 32;
/** Tags of a repetition: what people give, where a package lists all it could be found by. */
const MAX_REPEATED_TAGS = 4;
const DEMO_LIKES_ONE_IN = 25;
const COMMENTS_ONE_IN = 4;
const DEMO_FOLLOWS = 12;

const START = Date.UTC(2019, 0, 1);
const SPAN_MS = Date.UTC(2026, 0, 1) - START;
const GROWTH = 1_000;
const MOST = 20_000_000;

const TITLES: readonly ((name: string) => string)[] = [
  (name) => `Getting to know ${name}`,
  (name) => `${name} in practice`,
  (name) => `What ${name} taught us`,
  (name) => `Notes on ${name}`,
  (name) => `Upgrading ${name} without tears`,
  (name) => `Inside ${name}`,
  (name) => `When not to use ${name}`,
];

const REMARKS: readonly ((dependent: string, name: string) => string)[] = [
  (dependent, name) => `\`${dependent}\` depends on \`${name}\`: thank you for keeping it small.`,
  (dependent, name) =>
    `We use **${name}** in ${dependent} on every start. One question: is it safe to upgrade?`,
  (dependent) => `Works for ${dependent}. 👍`,
  (dependent, name) => `> ${name}\n\nExactly what ${dependent} was missing — *merci*, ありがとう, شكرا.`,
];

/**
 * What is written, as a function of its number: the n-th article is the same however many are asked for and whoever writes
 * it, so a run that ended early is taken up, and one that asks for more goes on where the last one ended.
 *
 * One round over the corpus is the packages themselves. The rounds after it repeat them under other titles, with some of
 * their tags, and by other people from time to time; so tags, authors and favorites keep the corpus's distribution.
 */
export class Plan {
  private readonly authorsOf: readonly string[];

  constructor(
    private readonly corpus: readonly Package[],
    private readonly options: PlanOptions,
  ) {
    this.authorsOf = [...new Set(corpus.map(({ author }) => author))];
  }

  get articles(): number {
    return this.options.articles;
  }

  /** Everybody who writes, likes or follows, in the order they appear; `demo` first. */
  people(): string[] {
    const people = [DEMO];
    const casts = Math.ceil(this.options.articles / (this.corpus.length * ROUNDS_PER_CAST));
    for (let cast = 0; cast < Math.max(1, casts); cast++) {
      for (const author of this.authorsOf) people.push(nameIn(author, cast));
    }
    return people;
  }

  /** Who writes an article, without the rest of it. */
  authorOf(index: number): string {
    return nameIn(this.packageOf(index).author, this.castOf(index));
  }

  /** @param index from 0 */
  article(index: number): PlannedArticle {
    const source = this.packageOf(index);
    const round = Math.floor(index / this.corpus.length);
    const cast = this.castOf(index);
    const by = (position: number): string => nameIn(this.corpus[position]!.author, cast);
    return {
      index,
      author: nameIn(source.author, cast),
      title: titleOf(source, round, index),
      description: source.description,
      body: round === 0 ? source.readme : cut(source.readme, this.options.bodyLength),
      tags: round === 0 ? source.keywords : someOf(source.keywords, index),
      at: timeOf(index),
      fans: this.fansOf(source, index, by),
      comments: this.commentsOn(source, index, by),
    };
  }

  /** Who follows whom, in the order of `people`: whoever depends on a package follows its author. */
  *follows(): Generator<readonly [follower: string, followed: readonly string[]]> {
    const followed = new Map<string, Set<string>>();
    const articles = new Map<string, number>();
    for (const { author, dependencies } of this.corpus) {
      articles.set(author, (articles.get(author) ?? 0) + 1);
      const list = followed.get(author) ?? new Set();
      for (const position of dependencies) list.add(this.corpus[position]!.author);
      list.delete(author);
      followed.set(author, list);
    }
    const busiest = [...articles]
      .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, DEMO_FOLLOWS);
    yield [DEMO, busiest.map(([author]) => author)];
    const people = this.people();
    for (let i = 1; i < people.length; i++) {
      const cast = Math.floor((i - 1) / this.authorsOf.length);
      const list = followed.get(this.authorsOf[(i - 1) % this.authorsOf.length]!) ?? [];
      yield [people[i]!, [...list].map((author) => nameIn(author, cast))];
    }
  }

  private packageOf(index: number): Package {
    return this.corpus[index % this.corpus.length]!;
  }

  private castOf(index: number): number {
    return Math.floor(index / (this.corpus.length * ROUNDS_PER_CAST));
  }

  private fansOf(source: Package, index: number, by: (position: number) => string): string[] {
    const fans = new Set(source.dependents.map(by));
    if (chance(index, 1) % DEMO_LIKES_ONE_IN === 0) fans.add(DEMO);
    return [...fans];
  }

  private commentsOn(source: Package, index: number, by: (position: number) => string): PlannedComment[] {
    return source.dependents
      .filter((position) => chance(index, 100 + position) % COMMENTS_ONE_IN === 0)
      .map((position) => ({
        author: by(position),
        body: REMARKS[chance(index, position) % REMARKS.length]!(this.corpus[position]!.name, source.name),
      }));
  }
}

function nameIn(author: string, cast: number): string {
  return cast === 0 ? author : `${author}${SUFFIX}${cast + 1}`;
}

function titleOf(source: Package, round: number, index: number): string {
  const name = `${source.name} ${source.version}`;
  if (round === 0) return cut(name, LIMITS.title);
  return cut(`${TITLES[chance(index, 2) % TITLES.length]!(name)}, part ${round}`, LIMITS.title);
}

function someOf(keywords: readonly string[], index: number): readonly string[] {
  if (keywords.length <= 1) return keywords;
  const count = 1 + (chance(index, 3) % Math.min(MAX_REPEATED_TAGS, keywords.length));
  const from = chance(index, 4) % keywords.length;
  return Array.from({ length: count }, (_, i) => keywords[(from + i) % keywords.length]!);
}

/** Sites grow: each year brings more than the one before. Two articles may share a moment; their ids tell them apart. */
function timeOf(index: number): number {
  const share = Math.log1p(Math.min(index, MOST) / GROWTH) / Math.log1p(MOST / GROWTH);
  return START + Math.floor(share * SPAN_MS);
}
