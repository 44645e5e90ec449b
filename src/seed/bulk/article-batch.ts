import type { Id } from '@rookery/kernel';
import type { Statement } from '@rookery/sharding';
import { slugOf } from '../../articles/index.js';
import { chance } from '../plan/chance.js';
import { fixedId } from '../plan/fixed-id.js';
import type { PlannedArticle } from '../plan/plan.js';
import * as sql from './bulk.sql.js';
import type { Person } from './people.js';

/** Columns of one `addArticles`, filled article by article. */
export class ArticleBatch {
  readonly ids: Id[] = [];
  private readonly authors: Id[] = [];
  private readonly slugs: string[] = [];
  private readonly titles: string[] = [];
  private readonly descriptions: string[] = [];
  private readonly bodies: string[] = [];
  private readonly tags: string[] = [];
  private readonly times: number[] = [];
  private readonly favorites: number[] = [];
  private readonly comments: number[] = [];
  private readonly favorited: Id[] = [];
  private readonly fans: Id[] = [];
  private readonly commented: Id[] = [];
  private readonly numbers: number[] = [];
  private readonly commenters: Id[] = [];
  private readonly remarks: string[] = [];
  /** UTF-16 units of the bodies: what bounds a batch beside its rows. */
  size = 0;

  add(article: PlannedArticle, people: ReadonlyMap<string, Person>): void {
    const author = people.get(article.author)!;
    const id = fixedId(author.slot, article.at, chance(article.index, 5), chance(article.index, 6));
    const fans = new Set(article.fans.map((name) => people.get(name)!.id));
    this.ids.push(id);
    this.authors.push(author.id);
    this.slugs.push(slugOf(article.title, id));
    this.titles.push(article.title);
    this.descriptions.push(article.description);
    this.bodies.push(article.body);
    this.tags.push(arrayLiteral(article.tags));
    this.times.push(article.at);
    this.favorites.push(fans.size);
    this.comments.push(article.comments.length);
    for (const fan of fans) {
      this.favorited.push(id);
      this.fans.push(fan);
    }
    article.comments.forEach((comment, i) => {
      this.commented.push(id);
      this.numbers.push(i + 1);
      this.commenters.push(people.get(comment.author)!.id);
      this.remarks.push(comment.body);
    });
    this.size += article.body.length + article.description.length;
  }

  get length(): number {
    return this.ids.length;
  }

  statement(): Statement {
    return sql.addArticles(
      this.ids,
      this.authors,
      this.slugs,
      this.titles,
      this.descriptions,
      this.bodies,
      this.tags,
      this.times,
      this.favorites,
      this.comments,
      this.favorited,
      this.fans,
      this.commented,
      this.numbers,
      this.commenters,
      this.remarks,
    );
  }
}

/** A one-dimensional text array in PostgreSQL's own notation (manual, 8.15.2), every element quoted. */
function arrayLiteral(values: readonly string[]): string {
  if (values.length === 0) return '{}';
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
