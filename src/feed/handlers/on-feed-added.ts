import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import * as sql from '../data/feed.sql.js';
import { feedAdded } from '../feed.events.js';
import { IN_FEED } from './groups.js';

/** Puts articles into feeds. */
@Controller()
export class OnFeedAdded {
  @OnEvent(feedAdded, IN_FEED)
  async add(events: readonly ReceivedEvent<DataOf<typeof feedAdded>>[], tx: ShardTransaction): Promise<void> {
    const rows = events.flatMap(({ data: { follower, author, articles } }) =>
      articles.map((article) => ({ follower, author, article })),
    );
    tx.send(
      sql.add(
        rows.map(({ follower }) => follower),
        rows.map(({ article }) => article),
        rows.map(({ author }) => author),
      ),
    );
  }
}
