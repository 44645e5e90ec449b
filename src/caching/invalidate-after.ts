import { Controller, type Type } from '@nestjs/common';
import { Cache } from '@rookery/cache';
import { eventsErrors, OnEvent, type EventDefinition, type ReceivedEvent } from '@rookery/events';
import { CacheHelp } from './cache-help.js';
import { invalidateTags } from './invalidate-tags.js';
import type { StaleRule } from './stale-rules.js';

const GROUP = 'cache';
/** Invalidations are of no use to anybody once the next ones are due: they are made together, and never given up. */
const MANY = { group: GROUP, batch: true, onExhausted: 'skip' } as const;

/**
 * The handler that repeats what was invalidated with the write itself, in case that was lost with its process; and that
 * invalidates for the first time what shows a read model, which only its handlers can tell.
 */
export function invalidateAfter({ event, tags, followsWrite }: StaleRule): Type {
  @Controller()
  class InvalidateAfter {
    constructor(
      private readonly cache: Cache,
      private readonly help: CacheHelp,
    ) {}

    /** @throws RK_EVENTS_DEPENDENCY_AWAY until every replica is known to have heard of it */
    @OnEvent(event as EventDefinition<object>, { ...MANY, readAfterWrite: followsWrite })
    async invalidate(events: readonly ReceivedEvent<object>[]): Promise<void> {
      const stale = events.flatMap(({ data }) => tags(data));
      if (await invalidateTags(this.cache, stale, this.help)) return;
      throw eventsErrors.create('DEPENDENCY_AWAY', {
        data: { group: GROUP, reason: 'not every replica has confirmed an invalidation' },
      });
    }
  }
  Object.defineProperty(InvalidateAfter, 'name', { value: `InvalidateAfter(${event.type})` });
  return InvalidateAfter;
}
