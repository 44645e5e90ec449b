import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { RawJson } from '@rookery/http';
import { authorize, defineAbilities } from '@rookery/security';
import type { ShardTransaction } from '@rookery/sharding';
import { ArticleDependents, articlesErrors, ArticlesFacade } from '../articles/index.js';
import { ProfilesFacade } from '../profiles/index.js';
import { UsersFacade } from '../users/index.js';
import { commentsErrors } from './comments.errors.js';
import { commentAdded, commentRemoved } from './comments.events.js';
import * as sql from './data/comments.sql.js';

/** Comments an answer carries at most, the newest: the contract has no pages for them. */
const MOST_COMMENTS = 1_000;
const LARGEST_NUMBER = 2_147_483_647;

@Injectable()
export class Comments implements ArticleDependents {
  constructor(
    private readonly articles: ArticlesFacade,
    private readonly users: UsersFacade,
    private readonly profiles: ProfilesFacade,
  ) {}

  /** One statement on the article's shard, one per shard that holds an author, one on the viewer's. */
  async list(slug: string, viewer: Id | undefined): Promise<RawJson> {
    const rows = await this.articles.read<sql.CommentRow>(slug, sql.ofArticle(slug, MOST_COMMENTS));
    if (rows.length === 0) throw articlesErrors.create('NOT_FOUND');
    const comments = rows.filter((row): row is [string, string] => row[0] !== null);
    const authors = [...new Set(comments.map(([author]) => author))];
    const [cards, followed] = await Promise.all([
      this.users.byIds(authors),
      this.profiles.followedAmong(viewer, authors),
    ]);
    const shown = comments
      .filter(([author]) => cards.has(author))
      .map(([author, json]) => `${json}${cards.get(author)!},"following":${followed.has(author)}}}`);
    return new RawJson(`{"comments":[${shown.join(',')}]}`);
  }

  /** Numbered under the article's lock: no number twice, and no comment on an article that is being deleted. */
  async add(slug: string, viewer: Id, body: string): Promise<RawJson> {
    const author = await this.users.byId(viewer);
    const json = await this.articles.transaction(slug, async (tx) => {
      const { id, number } = await this.articles.nextComment(tx, slug);
      if (!author) throw articlesErrors.create('NO_AUTHOR');
      const [row] = await tx.query<[string]>(sql.add(id, number, viewer, body));
      tx.publish(commentAdded({ articleId: id, number }));
      return row![0];
    });
    return new RawJson(`{"comment":${json}${author!.card},"following":false}}}`);
  }

  /** @throws RK_ARTICLES_NOT_FOUND, RK_COMMENTS_NOT_FOUND, RK_SECURITY_FORBIDDEN */
  async remove(slug: string, number: number, viewer: Id): Promise<void> {
    await this.articles.transaction(slug, async (tx) => {
      const article = await this.articles.idIn(tx, slug);
      if (number > LARGEST_NUMBER) throw commentsErrors.create('NOT_FOUND');
      const [comment] = await tx.query<{ authorId: Id }>(sql.find(article, number));
      if (!comment) throw commentsErrors.create('NOT_FOUND');
      authorize(abilitiesOf(viewer), 'delete', 'comment', comment);
      tx.send(sql.remove(article, number));
      tx.publish(commentRemoved({ articleId: article, number }));
    });
  }

  deleteWith(tx: ShardTransaction, articleId: Id): void {
    tx.send(sql.removeAll(articleId));
  }
}

/** A comment may be deleted by who wrote it. */
function abilitiesOf(viewer: Id) {
  return defineAbilities<'delete', { comment: { authorId: Id } }>(({ can }) => {
    can('delete', 'comment', { authorId: viewer });
  });
}
