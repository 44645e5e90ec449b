import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { articleUntagged, confirmationsOf } from '../../articles/index.js';
import * as sql from '../data/tags.sql.js';
import { tagListChanged } from '../tags.events.js';
import { TAG_COUNTS } from './tag-counts.js';

/** Takes an article off the count of a tag it lost; a tag that nothing carries is gone. */
@Controller()
export class OnUntagged {
  @OnEvent(articleUntagged, TAG_COUNTS)
  async count(
    events: readonly ReceivedEvent<DataOf<typeof articleUntagged>>[],
    tx: ShardTransaction,
  ): Promise<void> {
    const tags = events.map(({ data }) => data.tag);
    const vanished = await tx.query<{ tag: string }>(sql.count(tags, -1));
    tx.send(sql.forgetEmpty(tags));
    tx.publish(...vanished.map(({ tag }) => tagListChanged({ tag })));
    tx.publish(
      ...confirmationsOf(
        'tags',
        events.map(({ data }) => data),
      ),
    );
  }
}
