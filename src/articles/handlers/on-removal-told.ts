import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { articleRemovalTold } from '../removal/removal.events.js';
import { ArticleRemoval } from '../removal/article-removal.service.js';
import { REMOVAL } from './removal-group.js';

/** What a part has told others counts as due. */
@Controller()
export class OnRemovalTold {
  constructor(private readonly removal: ArticleRemoval) {}

  @OnEvent(articleRemovalTold, REMOVAL)
  async goOn(
    { data }: ReceivedEvent<DataOf<typeof articleRemovalTold>>,
    tx: ShardTransaction,
  ): Promise<void> {
    await this.removal.told(tx, data);
  }
}
