import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { confirmationsOf } from '../../articles/index.js';
import * as sql from '../data/favorited.sql.js';
import { articleUnfavorited } from '../favorites.events.js';
import { FAVORITED_LIST } from './favorited-list.js';

/** Takes articles out of the lists of those whose favorite has ended. */
@Controller()
export class OnUnfavorited {
  @OnEvent(articleUnfavorited, FAVORITED_LIST)
  async remove(
    events: readonly ReceivedEvent<DataOf<typeof articleUnfavorited>>[],
    tx: ShardTransaction,
  ): Promise<void> {
    tx.send(
      sql.remove(
        events.map(({ data }) => data.userId),
        events.map(({ data }) => data.articleId),
      ),
    );
    tx.publish(
      ...confirmationsOf(
        'favorited',
        events.map(({ data }) => data),
      ),
    );
  }
}
