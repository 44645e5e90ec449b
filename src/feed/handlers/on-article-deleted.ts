import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { articleDeleted, articleRemovalAsked } from '../../articles/index.js';
import { FanOut } from '../fan-out.js';
import { AT_AUTHOR } from './groups.js';

/** Tells followers of the end of an article, and tells them again where not all of them have confirmed it. */
@Controller()
export class OnArticleDeleted {
  constructor(private readonly fanOut: FanOut) {}

  @OnEvent(articleDeleted, AT_AUTHOR)
  async tell({ data }: ReceivedEvent<DataOf<typeof articleDeleted>>, tx: ShardTransaction): Promise<void> {
    await this.fanOut.deleted(tx, data.authorId, data.articleId, 1);
  }

  @OnEvent(articleRemovalAsked, AT_AUTHOR)
  async tellAgain(
    { data }: ReceivedEvent<DataOf<typeof articleRemovalAsked>>,
    tx: ShardTransaction,
  ): Promise<void> {
    if (!data.parts.includes('feeds')) return;
    await this.fanOut.deleted(tx, data.authorId, data.articleId, data.round);
  }
}
