import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { ArticleRemoval } from '../removal/article-removal.service.js';
import { articleRemoval } from '../removal/removal.events.js';

/** Asks again for what nobody has confirmed. In the slot it was published in, which is the article's. */
@Controller()
export class OnRemovalTimedOut {
  constructor(private readonly removal: ArticleRemoval) {}

  @OnEvent(articleRemoval.timedOut, { group: 'article-removal', at: ({ id }) => id })
  async askAgain(
    { data }: ReceivedEvent<DataOf<typeof articleRemoval.timedOut>>,
    tx: ShardTransaction,
  ): Promise<void> {
    await this.removal.timedOut(tx, data);
  }
}
