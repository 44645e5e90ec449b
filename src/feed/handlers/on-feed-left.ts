import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import * as sql from '../data/feed.sql.js';
import { feedLeft } from '../feed.events.js';
import { IN_FEED } from './groups.js';

/** Takes all of an author out of feeds. */
@Controller()
export class OnFeedLeft {
  @OnEvent(feedLeft, IN_FEED)
  async leave(
    events: readonly ReceivedEvent<DataOf<typeof feedLeft>>[],
    tx: ShardTransaction,
  ): Promise<void> {
    const followers = events.map(({ data }) => data.follower);
    const authors = events.map(({ data }) => data.author);
    tx.send(sql.removeAuthors(followers, authors));
    tx.send(sql.pullNoMore(followers, authors));
  }
}
