import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { profileFollowed } from '../../profiles/index.js';
import { FanOut } from '../fan-out.js';
import { FOLLOWERS } from './groups.js';

/** Enters a new follower at the author, and has the feed brought up to date. */
@Controller()
export class OnFollowed {
  constructor(private readonly fanOut: FanOut) {}

  @OnEvent(profileFollowed, FOLLOWERS)
  async enter({ data }: ReceivedEvent<DataOf<typeof profileFollowed>>, tx: ShardTransaction): Promise<void> {
    await this.fanOut.followed(tx, data.followee, data.follower);
  }
}
