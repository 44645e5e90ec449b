import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { profileUnfollowed } from '../../profiles/index.js';
import { FanOut } from '../fan-out.js';
import { FOLLOWERS } from './groups.js';

/** Strikes out a follower at the author, and has the feed forget the author. */
@Controller()
export class OnUnfollowed {
  constructor(private readonly fanOut: FanOut) {}

  @OnEvent(profileUnfollowed, FOLLOWERS)
  async leave(
    { data }: ReceivedEvent<DataOf<typeof profileUnfollowed>>,
    tx: ShardTransaction,
  ): Promise<void> {
    await this.fanOut.unfollowed(tx, data.followee, data.follower);
  }
}
