import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { confirmationsOf } from '../../articles/index.js';
import * as sql from '../data/feed.sql.js';
import { feedRemoved } from '../feed.events.js';
import { IN_FEED } from './groups.js';

/** Takes articles out of feeds. */
@Controller()
export class OnFeedRemoved {
  @OnEvent(feedRemoved, IN_FEED)
  async remove(
    events: readonly ReceivedEvent<DataOf<typeof feedRemoved>>[],
    tx: ShardTransaction,
  ): Promise<void> {
    const rows = events.flatMap(({ data: { follower, articles, removal } }) =>
      articles.map((articleId) => ({ follower, articleId, removal })),
    );
    tx.send(
      sql.remove(
        rows.map(({ follower }) => follower),
        rows.map(({ articleId }) => articleId),
      ),
    );
    tx.publish(...confirmationsOf('feeds', rows));
  }
}
