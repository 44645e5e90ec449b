import type { ShardKey, ShardTransaction } from '@rookery/sharding';
import type { AnyEventDefinition } from '../definition/define-event.js';
import type { ReceivedEvent } from '../definition/stored-event.js';

/** A handler of one kind of event in one group, its options settled. */
export interface Handler {
  /** `FeedHandlers.onPublished`, for people. */
  readonly name: string;
  readonly group: string;
  readonly definition: AnyEventDefinition;
  readonly batch: boolean;
  readonly readAfterWrite: boolean;
  readonly onExhausted: 'hold' | 'skip';
  readonly timeoutMs: number;
  /** Where the effect is: its slot. Undefined: where the event was published. */
  readonly at: ((data: unknown) => ShardKey) | undefined;
  readonly invoke: (
    events: ReceivedEvent | readonly ReceivedEvent[],
    tx: ShardTransaction,
  ) => Promise<unknown>;
}

/** All handlers of a group in this version of the site. */
export class Group {
  private readonly handlers = new Map<string, Handler>();

  /** The highest that any of its handlers asked for. */
  concurrency = 1;
  /** Whether any of its effects is looked for elsewhere than where its event was published. */
  routes = false;

  constructor(readonly name: string) {}

  add(handler: Handler, concurrency: number): void {
    this.handlers.set(handler.definition.type, handler);
    this.routes ||= handler.at !== undefined;
    this.concurrency = Math.max(this.concurrency, concurrency);
  }

  handlerOf(type: string): Handler | undefined {
    return this.handlers.get(type);
  }

  get types(): string[] {
    return [...this.handlers.keys()].sort();
  }
}
