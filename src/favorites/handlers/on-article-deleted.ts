import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { Id } from '@rookery/kernel';
import { Shards, type ShardTransaction } from '@rookery/sharding';
import {
  articleDeleted,
  articleRemovalAsked,
  articleRemovalTold,
  ArticlesFacade,
} from '../../articles/index.js';
import { articleUnfavorited, articleUnfavoriting } from '../favorites.events.js';

/** Users told of in one transaction. */
const PAGE = 500;
const HERE = { group: 'favorites-of-deleted', readAfterWrite: true } as const;

/**
 * Tells the lists of all who had favorited an article that it is gone. Their lists are in other slots, so this is the first
 * of two handlers: it publishes, in the article's slot, what the second one does in each user's. A page at a time, each one
 * calling the next: an article may have more favorites than a transaction should tell of. Where not all lists have confirmed,
 * it begins again.
 */
@Controller()
export class OnArticleDeleted {
  constructor(
    private readonly articles: ArticlesFacade,
    private readonly shards: Shards,
  ) {}

  @OnEvent(articleDeleted, HERE)
  async begin({ data }: ReceivedEvent<DataOf<typeof articleDeleted>>, tx: ShardTransaction): Promise<void> {
    await this.tell(tx, data.articleId, 1);
  }

  @OnEvent(articleRemovalAsked, HERE)
  async beginAgain(
    { data }: ReceivedEvent<DataOf<typeof articleRemovalAsked>>,
    tx: ShardTransaction,
  ): Promise<void> {
    if (data.parts.includes('favorited')) await this.tell(tx, data.articleId, data.round);
  }

  @OnEvent(articleUnfavoriting, HERE)
  async goOn(
    { data }: ReceivedEvent<DataOf<typeof articleUnfavoriting>>,
    tx: ShardTransaction,
  ): Promise<void> {
    await this.tell(tx, data.articleId, data.removal ?? 1, data.after);
  }

  private async tell(tx: ShardTransaction, articleId: Id, removal: number, after?: Id): Promise<void> {
    const users = await this.articles.favoritesOfDeleted(tx, articleId, after, PAGE);
    const last = users.length < PAGE;
    tx.publish(
      ...(await this.byShard(users)).map((userId) => articleUnfavorited({ articleId, userId, removal })),
      articleRemovalTold({ articleId, part: 'favorited', round: removal, places: users.length, last }),
    );
    if (!last) tx.publish(articleUnfavoriting({ articleId, after: users.at(-1)!, removal }));
  }

  /** Events of one key go one after the other; those whose effects are on one shard then go together. */
  private async byShard(users: readonly Id[]): Promise<Id[]> {
    const lists = new Map<string, Id[]>();
    for (const user of users) {
      const shard = await this.shards.shardOf(user);
      const there = lists.get(shard);
      if (there) there.push(user);
      else lists.set(shard, [user]);
    }
    return [...lists.values()].flat();
  }
}
