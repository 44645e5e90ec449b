import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { articlePublished } from '../../articles/index.js';
import { FanOut } from '../fan-out.js';
import { AT_AUTHOR } from './groups.js';

/** Tells followers of a new article. */
@Controller()
export class OnArticlePublished {
  constructor(private readonly fanOut: FanOut) {}

  @OnEvent(articlePublished, AT_AUTHOR)
  async tell({ data }: ReceivedEvent<DataOf<typeof articlePublished>>, tx: ShardTransaction): Promise<void> {
    await this.fanOut.published(tx, data.authorId, data.articleId);
  }
}
