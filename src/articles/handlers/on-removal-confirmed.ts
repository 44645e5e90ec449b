import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { articleRemovalConfirmed } from '../removal/removal.events.js';
import { ArticleRemoval } from '../removal/article-removal.service.js';
import { REMOVAL } from './removal-group.js';

/** What has let go counts as gone. */
@Controller()
export class OnRemovalConfirmed {
  constructor(private readonly removal: ArticleRemoval) {}

  @OnEvent(articleRemovalConfirmed, REMOVAL)
  async goOn(
    { data }: ReceivedEvent<DataOf<typeof articleRemovalConfirmed>>,
    tx: ShardTransaction,
  ): Promise<void> {
    await this.removal.confirmed(tx, data);
  }
}
