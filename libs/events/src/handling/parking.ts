import { Deadline } from '@rookery/kernel';
import { atSlot, type Shards } from '@rookery/sharding';
import type { StoredEvent } from '../definition/stored-event.js';
import { eventsErrors } from '../events.errors.js';
import { codeOf, type RetryPolicy } from './retry-policy.js';
import * as sql from './handling.sql.js';

/** A parked event and how it stands. */
export interface ParkedEvent {
  readonly event: StoredEvent;
  readonly attempts: number;
  /** It ended a process whenever it was tried. */
  readonly kills: boolean;
  readonly due: boolean;
  readonly state: 'waiting' | 'held' | 'skipped';
}

const STATEMENT_MS = 5_000;
const MAX_ERROR = 4_000;
const NEVER_MS = 3_650 * 24 * 3_600_000;

export function keyOf({ topic, key }: { readonly topic: string; readonly key: string }): string {
  return `${topic}\u0000${key}`;
}

/**
 * Where the events of a group wait that failed, each with all later ones of its key. It lies in the slot the event was
 * published in. Which keys are parked is kept in memory by whoever has the lane or partition, and read anew when it is
 * taken over; were two to have it for a moment, each event would still be applied once and after its predecessors, since
 * each goes on to the next only when one is applied or parked.
 */
export class Parking {
  private readonly keys = new Set<string>();

  constructor(
    private readonly shards: Shards,
    private readonly group: string,
    private readonly retries: RetryPolicy,
  ) {}

  /** Whether events of this key have to queue. */
  holds(event: StoredEvent): boolean {
    return this.keys.size > 0 && this.keys.has(keyOf(event));
  }

  get size(): number {
    return this.keys.size;
  }

  /** Learns which keys of these lanes are parked. */
  async load(shard: string, lanes: readonly number[]): Promise<void> {
    const rows = await this.shards.queryShard<{ topic: string; key: string }>(
      shard,
      sql.parkedKeys(this.group, lanes),
    );
    for (const row of rows) this.keys.add(keyOf(row));
  }

  /** Parks an event: after its failure, or behind one that failed. Parking it twice is parking it once. */
  async park(event: StoredEvent, failure?: unknown): Promise<void> {
    const failed = failure !== undefined;
    await this.shards.transaction(
      atSlot(event.slot),
      async (tx) => {
        tx.send(
          sql.park(
            this.group,
            event.topic,
            event.key,
            event.id,
            event.type,
            event.version,
            event.slot,
            event.headers,
            event.raw ?? Buffer.from(event.payload, 'utf8'),
            event.publishedAt,
            event.position,
            // Nobody tries by himself what ends whoever tries it.
            kills(failed ? codeOf(failure) : null) ? 'held' : 'waiting',
            failed ? codeOf(failure) : null,
            failed ? textOf(failure) : null,
            failed ? this.retries.waitParked(1) : 0,
          ),
        );
      },
      { deadline: Deadline.after(STATEMENT_MS) },
    );
    this.keys.add(keyOf(event));
  }

  /** The first events of keys whose time has come. */
  async due(shard: string, lanes: readonly number[], most: number): Promise<StoredEvent[]> {
    const rows = await this.shards.queryShard<sql.ParkedRow>(shard, sql.dueHeads(this.group, lanes, most));
    for (const row of rows) this.keys.add(keyOf(row));
    return rows.map(eventOf);
  }

  /** The first event of a key as it stands now. */
  async head({ slot, topic, key }: StoredEvent): Promise<ParkedEvent | undefined> {
    const [row] = await this.shards.query<sql.ParkedRow & { due: boolean }>(
      atSlot(slot),
      sql.head(this.group, topic, key),
    );
    if (!row) return undefined;
    const { attempts, due, state, code } = row;
    return { event: eventOf(row), attempts, due, state, kills: kills(code) };
  }

  /** It is applied, at last. */
  async unpark(event: StoredEvent): Promise<void> {
    await this.change(event, sql.unpark(this.group, event.id));
  }

  /** Nothing of its key is parked any more. Called in the turn of the key, so that none is just being added. */
  release(event: StoredEvent): void {
    this.keys.delete(keyOf(event));
  }

  /** Before a try that may end this process: if it does, the event waits for a person again. */
  async holdForTry(event: StoredEvent): Promise<void> {
    await this.change(event, sql.holdForTry(this.group, event.id));
  }

  async failedAgain(event: StoredEvent, attempts: number, failure: unknown, onExhausted: 'hold' | 'skip') {
    const exhausted = attempts + 1 > this.retries.parked;
    const state = !exhausted ? 'waiting' : onExhausted === 'hold' ? 'held' : 'skipped';
    const wait = exhausted ? NEVER_MS : this.retries.waitParked(attempts + 1);
    await this.change(
      event,
      sql.failedAgain(this.group, event.id, state, wait, codeOf(failure), textOf(failure)),
    );
    return state;
  }

  private async change(event: StoredEvent, statement: ReturnType<typeof sql.unpark>): Promise<void> {
    await this.shards.transaction(
      atSlot(event.slot),
      async (tx) => {
        tx.send(statement);
      },
      { deadline: Deadline.after(STATEMENT_MS) },
    );
  }
}

function kills(code: string | null): boolean {
  return code === eventsErrors.codes.KILLED_THE_PROCESS;
}

function eventOf(row: sql.ParkedRow): StoredEvent {
  const { id, type, version, topic, key, slot, headers, publishedAt, position } = row;
  return {
    id,
    type,
    version,
    topic,
    key,
    slot,
    headers,
    publishedAt,
    position,
    payload: row.payload.toString('utf8'),
    raw: row.payload,
  };
}

/** What a person needs to see of a failure, with its causes. */
function textOf(failure: unknown): string {
  let text = '';
  for (let error = failure; error !== undefined && text.length < MAX_ERROR;) {
    text += `${text === '' ? '' : '\ncaused by: '}${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    error = error instanceof Error ? error.cause : undefined;
  }
  return text.replaceAll('\0', '').slice(0, MAX_ERROR);
}
