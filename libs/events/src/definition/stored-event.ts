import type { Id } from '@rookery/kernel';

/** An event as the log or a topic holds it, before anybody has looked into it. */
export interface StoredEvent {
  /** UUIDv7; its time is when it was published, its slot where. */
  readonly id: Id;
  readonly type: string;
  readonly version: number;
  readonly topic: string;
  readonly key: string;
  readonly slot: number;
  /** JSON text of the data; what came from outside may be anything. */
  readonly payload: string;
  /** The bytes as they came, where they are no text. */
  readonly raw?: Buffer;
  /** JSON text of what travels along: `traceparent`, `deadline`, `cause`. Null where there is none. */
  readonly headers: string | null;
  /** Milliseconds since 1970. */
  readonly publishedAt: number;
  /** Place in the log, or offset in the partition: for people, and for the order of what is parked. */
  readonly position: string;
}

/** What a handler gets. */
export interface ReceivedEvent<D = unknown> {
  readonly id: Id;
  readonly type: string;
  /** In the version this site knows, whatever version it was stored in. */
  readonly data: D;
  readonly key: string;
  readonly publishedAt: Date;
  /** How often it was tried before, in this process. */
  readonly attempt: number;
  readonly headers: Readonly<Record<string, string>>;
}
