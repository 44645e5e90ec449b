import { Controller } from '@nestjs/common';
import { OnEvent, type DataOf, type ReceivedEvent } from '@rookery/events';
import type { ShardTransaction } from '@rookery/sharding';
import { articleTagged } from '../../articles/index.js';
import * as sql from '../data/tags.sql.js';
import { tagListChanged } from '../tags.events.js';
import { TAG_COUNTS } from './tag-counts.js';

/** Counts a tag once for each article that got it. */
@Controller()
export class OnTagged {
  @OnEvent(articleTagged, TAG_COUNTS)
  async count(
    events: readonly ReceivedEvent<DataOf<typeof articleTagged>>[],
    tx: ShardTransaction,
  ): Promise<void> {
    const tags = events.map(({ data }) => data.tag);
    const appeared = await tx.query<{ tag: string }>(sql.count(tags, 1));
    tx.publish(...appeared.map(({ tag }) => tagListChanged({ tag })));
  }
}
