import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import * as sql from '../data/favorited.sql.js';
import { articleFavorited } from '../favorites.events.js';
import { FAVORITED_LIST } from './favorited-list.js';

/** Puts articles into the lists of those who favorited them. */
@Controller()
export class OnFavorited {
  @OnEvent(articleFavorited, FAVORITED_LIST)
  async add(
    events: readonly ReceivedEvent<DataOf<typeof articleFavorited>>[],
    tx: ShardTransaction,
  ): Promise<void> {
    tx.send(
      sql.add(
        events.map(({ data }) => data.userId),
        events.map(({ data }) => data.articleId),
      ),
    );
  }
}
