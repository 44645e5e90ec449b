import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { FanOut } from '../fan-out.js';
import { feedBackfill } from '../feed.events.js';
import { AT_AUTHOR } from './groups.js';

/** Goes on with what a new follower is owed. */
@Controller()
export class OnBackfill {
  constructor(private readonly fanOut: FanOut) {}

  @OnEvent(feedBackfill, AT_AUTHOR)
  async goOn({ data }: ReceivedEvent<DataOf<typeof feedBackfill>>, tx: ShardTransaction): Promise<void> {
    await this.fanOut.backfill(tx, data.author, data.follower, data.before);
  }
}
