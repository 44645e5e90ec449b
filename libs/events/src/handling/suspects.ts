import { atSlot, type Shards } from '@rookery/sharding';
import type { StoredEvent } from '../definition/stored-event.js';
import * as sql from './handling.sql.js';

/** Events that may have ended the process that handled them. Their tries are counted before each. */
export class Suspects {
  /** Tries after which it is believed of an event. */
  static readonly MOST = 3;

  constructor(
    private readonly shards: Shards,
    private readonly group: string,
  ) {}

  /** Counts one more try, and gives how many there were with it; `undefined` for an event that is applied. */
  async count({ id, slot }: StoredEvent): Promise<number | undefined> {
    const [row] = await this.shards.transaction(atSlot(slot), (tx) =>
      tx.query<{ tries: number }>(sql.suspect(id, this.group)),
    );
    return row?.tries;
  }

  /** It was not this one. */
  async clear({ id, slot }: StoredEvent): Promise<void> {
    await this.shards.transaction(atSlot(slot), async (tx) => {
      tx.send(sql.cleared(id, this.group));
    });
  }
}
