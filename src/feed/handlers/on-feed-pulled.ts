import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import * as sql from '../data/feed.sql.js';
import { feedPulled } from '../feed.events.js';
import { IN_FEED } from './groups.js';

/** Makes feeds ask for the articles of an author, of whom they then have none themselves. */
@Controller()
export class OnFeedPulled {
  @OnEvent(feedPulled, IN_FEED)
  async pull(
    events: readonly ReceivedEvent<DataOf<typeof feedPulled>>[],
    tx: ShardTransaction,
  ): Promise<void> {
    const followers = events.map(({ data }) => data.follower);
    const authors = events.map(({ data }) => data.author);
    tx.send(sql.removeAuthors(followers, authors));
    tx.send(sql.pull(followers, authors));
  }
}
