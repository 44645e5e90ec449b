import { setTimeout as pause } from 'node:timers/promises';
import { currentContext, type Histogram, type Meter, type RequestContext } from '@rookery/kernel';
import { atSlot, slotOf, type Shards } from '@rookery/sharding';
import type { StoredEvent } from '../definition/stored-event.js';
import type { Group } from '../handling/handler.js';
import * as sql from '../handling/handling.sql.js';

/** An event that a group has still to apply, and the slot in which it will note that. */
type Awaited = readonly [id: string, group: string, slot: number];

/** Makes true at once what must be before anybody is told of a write, as that no cache serves what it made stale. */
export type CommitListener = (events: readonly CommittedEvent[]) => Promise<unknown>;

/** An event that was published just now. */
export interface CommittedEvent extends Pick<StoredEvent, 'id' | 'type' | 'key'> {
  readonly data: unknown;
}

const FIRST_LOOK_MS = 4;
const MAX_LOOK_MS = 40;
/** Left of a request's deadline for its answer, late as that may be: what was written is not to be told as a timeout. */
const ANSWER_MS = 100;

/**
 * What the answers to writes wait for: that the groups declared `readAfterWrite` have applied the events of the request,
 * and the events that came of those. What this replica applies itself it knows at once; what another one does it finds in
 * the inbox.
 */
export class Settlement {
  private readonly byRequest = new WeakMap<RequestContext, Awaited[]>();
  private readonly byListeners = new WeakMap<RequestContext, Promise<unknown>[]>();
  private readonly listeners: CommitListener[] = [];
  private readonly waiting = new Map<string, (more: readonly Awaited[]) => void>();
  private readonly duration: Histogram;

  constructor(
    private readonly shards: Shards,
    private readonly groups: readonly Group[],
    private readonly limitMs: number,
    meter: Meter,
  ) {
    this.duration = meter.histogram({
      name: 'rookery_events_read_after_write_seconds',
      help: 'Time answers waited for the handlers their readers would miss; `late`: they went out all the same',
      labels: ['outcome'],
    });
  }

  /**
   * Calls `listener` with what this replica commits, at once; answers to requests wait for it, within their deadlines, and
   * not beyond. It must not reject. What it does is lost with the process: a group of handlers repeats it.
   */
  onCommit(listener: CommitListener): void {
    this.listeners.push(listener);
  }

  /** Events of a request were committed. */
  committed(events: readonly StoredEvent[]): void {
    const context = currentContext();
    const begun = this.tell(events);
    if (!context) return;
    if (begun.length > 0) this.byListeners.set(context, [...(this.byListeners.get(context) ?? []), ...begun]);
    const awaited = this.awaitedOf(events);
    if (awaited.length === 0) return;
    this.byRequest.set(context, [...(this.byRequest.get(context) ?? []), ...awaited]);
  }

  private tell(events: readonly StoredEvent[]): Promise<unknown>[] {
    if (this.listeners.length === 0) return [];
    const told = events.map(({ id, type, key, payload }): CommittedEvent => ({
      id,
      type,
      key,
      data: JSON.parse(payload) as unknown,
    }));
    return this.listeners.map((listener) => listener(told));
  }

  /** What others would wait for if these were committed, in the form that `applied` takes. */
  awaitsOf(events: readonly StoredEvent[]): string | undefined {
    const awaited = this.awaitedOf(events);
    return awaited.length === 0 ? undefined : JSON.stringify(awaited);
  }

  /** An event was applied by this replica. */
  applied(event: StoredEvent, group: string, published: readonly StoredEvent[]): void {
    if (this.waiting.size === 0) return;
    const resolve = this.waiting.get(`${event.id} ${group}`);
    if (resolve) resolve(this.awaitedOf(published));
  }

  owes(context: RequestContext | undefined): boolean {
    return context !== undefined && (this.byRequest.has(context) || this.byListeners.has(context));
  }

  /** Waits for what a request owes its readers, a moment. Resolves with the groups that are late. */
  async settle(context: RequestContext): Promise<string[]> {
    const [late] = await Promise.all([this.settleGroups(context), this.settleListeners(context)]);
    return late;
  }

  private async settleListeners(context: RequestContext): Promise<void> {
    const begun = this.byListeners.get(context);
    if (!begun) return;
    this.byListeners.delete(context);
    await context.deadline.race(Promise.all(begun), 'waiting for what a write made stale');
  }

  private async settleGroups(context: RequestContext): Promise<string[]> {
    if (!this.byRequest.has(context)) return [];
    const open = new Map((this.byRequest.get(context) ?? []).map((one) => [keyOf(one), one]));
    this.byRequest.delete(context);
    const since = performance.now();
    const limit = Math.min(this.limitMs, context.deadline.remaining() - ANSWER_MS);
    let tell: () => void = () => undefined;
    const resolveOne = (key: string, more: readonly Awaited[]): void => {
      this.waiting.delete(key);
      if (!open.delete(key)) return;
      for (const one of more) watch(one);
      if (open.size === 0) tell();
    };
    const watch = (one: Awaited): void => {
      open.set(keyOf(one), one);
      this.waiting.set(keyOf(one), (more) => resolveOne(keyOf(one), more));
    };
    for (const one of open.values()) watch(one);
    const over = new AbortController();
    const settled = new Promise<void>((resolve) => (tell = resolve));
    try {
      for (
        let wait = FIRST_LOOK_MS;
        open.size > 0 && performance.now() - since < limit;
        wait = Math.min(wait * 2, MAX_LOOK_MS)
      ) {
        const left = limit - (performance.now() - since);
        await Promise.race([settled, pause(Math.min(wait, left), undefined, { signal: over.signal })]);
        if (open.size > 0) await this.look([...open.values()], resolveOne);
      }
    } finally {
      over.abort();
      for (const key of open.keys()) this.waiting.delete(key);
    }
    const late = [...new Set([...open.values()].map(([, group]) => group))].sort();
    this.duration.observe((performance.now() - since) / 1000, {
      outcome: late.length === 0 ? 'settled' : 'late',
    });
    return late;
  }

  /** What other replicas have applied. A shard that does not answer leaves its events unsettled: the bound ends the wait. */
  private async look(
    open: readonly Awaited[],
    resolveOne: (key: string, more: readonly Awaited[]) => void,
  ): Promise<void> {
    const byShard = new Map<string, Awaited[]>();
    for (const one of open) {
      const shard = await this.shards.shardOf(atSlot(one[2]));
      byShard.set(shard, [...(byShard.get(shard) ?? []), one]);
    }
    await Promise.allSettled(
      [...byShard].map(async ([shard, there]) => {
        const rows = await this.shards.queryShard<{ id: string; group: string; awaits: string | null }>(
          shard,
          sql.applied(
            there.map(([id]) => id),
            there.map(([, group]) => group),
          ),
        );
        for (const { id, group, awaits } of rows) {
          resolveOne(`${id} ${group}`, awaits === null ? [] : (JSON.parse(awaits) as Awaited[]));
        }
      }),
    );
  }

  private awaitedOf(events: readonly StoredEvent[]): Awaited[] {
    const awaited: Awaited[] = [];
    for (const event of events) {
      for (const group of this.groups) {
        const handler = group.handlerOf(event.type);
        if (!handler?.readAfterWrite) continue;
        const slot = handler.at ? slotOf(handler.at(JSON.parse(event.payload))) : event.slot;
        awaited.push([event.id, group.name, slot]);
      }
    }
    return awaited;
  }
}

function keyOf([id, group]: Awaited): string {
  return `${id} ${group}`;
}
