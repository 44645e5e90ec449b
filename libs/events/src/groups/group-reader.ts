import { setTimeout as pause } from 'node:timers/promises';
import type { Shards } from '@rookery/sharding';
import type { StoredEvent } from '../definition/stored-event.js';
import { laneMask, type LaneMask } from '../log/lanes.js';
import * as log from '../log/log.sql.js';
import { earlier, parseSnapshot, type Cursor } from './cursor.js';
import * as sql from './groups.sql.js';

/** The log that events were read from, and the server's incarnation at the time. */
export interface LogSource {
  readonly shard: string;
  readonly incarnation: string;
}

/** What a reader's events go to, and how it hears what became of them. */
export interface EventSink {
  /** Events that are not dealt with yet. */
  readonly pending: number;
  /** Takes events in order. `done(true)` once an event is dealt with, `done(false)` if it is left for another time. */
  take(
    events: readonly StoredEvent[],
    suspect: boolean,
    done: (dealtWith: boolean) => void,
    from: LogSource,
  ): void;
  /** Lets go of what nobody has begun, and resolves when nothing is under way. */
  drain(): Promise<void>;
}

export interface GroupReaderOptions {
  readonly shards: Shards;
  readonly shard: string;
  readonly group: string;
  readonly types: () => readonly string[];
  readonly sink: EventSink;
  readonly readAhead: number;
  readonly pollMs: number;
  /** Last number drawn, as far as is known; read before the snapshots that this reader takes from then on. */
  readonly lastSeq: () => bigint;
  readonly onWarning: (message: string, error?: unknown) => void;
  /** The lanes turned out to be another's, or what this reader remembers to be from before a crash. */
  readonly onLost: () => void;
  readonly bySequence: boolean;
  readonly withoutFence: boolean;
}

export interface Lane {
  readonly lane: number;
  readonly epoch: string;
  readonly cursor: Cursor;
  readonly crashed: boolean;
  /** Of the server, when the cursor was read from it. */
  readonly incarnation: string;
}

/** What one read brought. The cursor may move on to `after` once all of it is dealt with. */
interface Chunk {
  left: number;
  readonly after: Cursor;
  /** When its first event was published, in milliseconds since 1970. */
  readonly since: number;
}

const READ = 500;
/** A backlog of this many reads is walked through by number instead of being sorted. */
const BACKLOG_READS = 20;
const SAVE_MS = 200;
const FIRST_POLL_MS = 25;
/** Whoever looks at the shard wakes its readers: without news they look, and save how far they are, this seldom. */
const QUIET_POLLS = 60;
const MAX_TROUBLE_MS = 1_000;

/**
 * Reads the lanes of one group on one shard that this replica has.
 *
 * What is new is what a statement sees that the cursor's snapshot does not, in the order of its numbers. A number alone
 * would pass over events whose transaction drew it early and committed late; a transaction id alone would bring events of
 * one key in the wrong order, and wait for whoever has a transaction open anywhere in the server. (After PgQ's batches;
 * the sizes at which windows are walked instead of sorted are ours.)
 *
 * After a crash of the server nothing that a reader remembers holds: ids that it took for seen are given out again, and
 * effects that it took for applied may be undone. It reads and saves no more then, and is replaced by one that begins with
 * what stands.
 */
export class GroupReader {
  readonly lanesRead: LaneMask;
  private readonly lanes: readonly Lane[];
  private cursor: Cursor;
  private saved: Cursor;
  private dealtWith: Cursor;
  private chunks: Chunk[] = [];
  private lastRead = 0n;
  /** Nothing is known yet of how much there is to read. */
  private fresh = true;
  /** Events still to come that may have been under way when a former owner ended without saying so. */
  private suspects: number;
  private running: Promise<void>;
  private stopped = false;
  private outlived = false;
  private readonly source: LogSource;
  private wakeUp: (() => void) | undefined;
  private woken = false;
  /** It waits for the sink to have room. */
  private full = false;
  private lookingForRoom = false;
  private dirtySince: number | undefined;
  private saving: Promise<void> | undefined;

  constructor(
    private readonly options: GroupReaderOptions,
    lanes: readonly [Lane, ...Lane[]],
  ) {
    this.lanes = lanes;
    this.lanesRead = laneMask(this.laneNumbers);
    this.cursor = lanes.map(({ cursor }) => cursor).reduce(earlier);
    this.saved = this.cursor;
    this.dealtWith = this.cursor;
    this.source = { shard: options.shard, incarnation: lanes[0].incarnation };
    this.suspects = lanes.some(({ crashed }) => crashed) ? options.readAhead : 0;
    this.running = this.run();
  }

  /** There may be something to read. */
  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }

  get laneNumbers(): readonly number[] {
    return this.lanes.map(({ lane }) => lane);
  }

  /** Where the next owner would go on. */
  get position(): Cursor {
    return this.dealtWith;
  }

  /** Milliseconds since the oldest event was published that is read and not dealt with; 0 where there is none. */
  get lagMs(): number {
    const oldest = this.chunks[0]?.since ?? Infinity;
    return oldest === Infinity ? 0 : Math.max(0, Date.now() - oldest);
  }

  /** Stops reading, lets what is under way end, and saves how far it came. */
  async stop(): Promise<Cursor> {
    this.stopped = true;
    this.wakeUp?.();
    await this.running;
    await this.options.sink.drain();
    await this.saving;
    if (this.dealtWith !== this.saved) await this.save();
    return this.dealtWith;
  }

  private async run(): Promise<void> {
    let idleMs = FIRST_POLL_MS;
    let troubles = 0;
    while (!this.stopped) {
      try {
        this.woken = false;
        if (this.outlived) {
          this.options.onLost();
          await this.sleep(this.options.pollMs);
          continue;
        }
        if (this.options.sink.pending >= this.options.readAhead) {
          this.full = true;
          await this.sleep(FIRST_POLL_MS);
          this.full = false;
          this.saveSoon();
          continue;
        }
        const got = await this.read();
        troubles = 0;
        this.saveSoon();
        if (got > 0) idleMs = FIRST_POLL_MS;
        // Whatever is committed after what a read saw is told of after it.
        if (this.woken || this.cursor.upto !== null || got >= READ) continue;
        // With nobody in the middle of a transaction there is nothing that could appear without a new number.
        const open = this.cursor.from !== null && parseSnapshot(this.cursor.from).xip.length > 0;
        await this.rest(open ? idleMs : this.options.pollMs * QUIET_POLLS);
        idleMs = Math.min(idleMs * 2, this.options.pollMs);
      } catch (error) {
        troubles += 1;
        if (troubles === 1) {
          this.options.onWarning(
            `group ${this.options.group} cannot read the log of ${this.options.shard}`,
            error,
          );
        }
        await this.sleep(Math.min(MAX_TROUBLE_MS, FIRST_POLL_MS * 2 ** troubles));
      }
    }
  }

  /** One read. Returns how many events it brought. */
  private async read(): Promise<number> {
    if (this.options.bySequence) return this.readBySequence();
    const before = this.options.lastSeq();
    if (this.cursor.upto !== null) return this.walk();
    const { from } = this.cursor;
    const backlog = this.fresh || before - this.lastRead > BigInt(READ * BACKLOG_READS);
    if (from === null || backlog) {
      const [row] = await this.query<{ now: string; floor: string; incarnation: string | null }>(
        log.walkStart(from),
      );
      if (!this.isOf(row!.incarnation)) return 0;
      this.fresh = false;
      this.lastRead = before;
      this.cursor = { from, upto: row!.now, done: from === null ? this.cursor.done : row!.floor };
      return this.walk();
    }
    const { xmax, xip } = parseSnapshot(from);
    const rows = await this.query<log.EventRow>(
      log.since(String(xmax), xip, this.laneNumbers, this.options.types(), READ + 1),
    );
    const [header, ...events] = rows as [log.EventRow, ...log.EventRow[]];
    if (!this.isOf(header[1])) return 0;
    const snapshot = header[7];
    this.lastRead = before;
    if (events.length <= READ) return this.hand(events, { from: snapshot, upto: null, done: '0' });
    events.pop();
    return this.hand(events, { from, upto: snapshot, done: events.at(-1)![0] });
  }

  private async walk(): Promise<number> {
    const { from, upto, done } = this.cursor;
    const [header, ...rows] = (await this.query<log.EventRow>(
      log.walk(from, upto, done, this.laneNumbers, this.options.types(), READ),
    )) as [log.EventRow, ...log.EventRow[]];
    if (!this.isOf(header[1])) return 0;
    const over = rows.length < READ;
    return this.hand(
      rows,
      over ? { from: upto, upto: null, done: '0' } : { from, upto, done: rows.at(-1)![0] },
    );
  }

  /** Whether what was read belongs to what this reader remembers. */
  private isOf(incarnation: string | null): boolean {
    this.outlived = incarnation !== this.source.incarnation;
    return !this.outlived;
  }

  /** What not to do, for the proof. */
  private async readBySequence(): Promise<number> {
    const rows = await this.query<log.EventRow>(
      log.bySequence(this.cursor.done, this.laneNumbers, this.options.types(), READ),
    );
    return this.hand(rows, { from: null, upto: null, done: rows.at(-1)?.[0] ?? this.cursor.done });
  }

  private query<R>(statement: ReturnType<typeof log.pulse>): Promise<R[]> {
    return this.options.shards.queryShard<R>(this.options.shard, statement);
  }

  private hand(rows: readonly log.EventRow[], after: Cursor): number {
    this.cursor = after;
    const chunk: Chunk = { left: rows.length, after, since: rows[0]?.[9] ?? Infinity };
    this.chunks.push(chunk);
    if (rows.length === 0) this.advance();
    else {
      const done = (dealtWith: boolean): void => {
        // An event that is left keeps the cursor where it is.
        if (!dealtWith) return;
        chunk.left -= 1;
        if (this.full) this.lookForRoom();
        if (chunk.left === 0) this.advance();
      };
      this.options.sink.take(rows.map(eventOf), this.suspects > 0, done, this.source);
      this.suspects = after.upto === null ? 0 : Math.max(0, this.suspects - rows.length);
    }
    return rows.length;
  }

  private advance(): void {
    while (this.chunks[0]?.left === 0) {
      const { after } = this.chunks.shift()!;
      // Snapshots without news are saved now and then only: a cursor that stands still must not write.
      this.dealtWith = after;
    }
    this.dirtySince ??= performance.now();
  }

  /** Sleeps, and saves meanwhile what has become true. */
  private async rest(ms: number): Promise<void> {
    const since = performance.now();
    while (!this.woken && !this.stopped) {
      const left = ms - (performance.now() - since);
      if (left <= 0) return;
      await this.sleep(this.dirtySince === undefined ? left : Math.min(left, SAVE_MS));
      this.saveSoon();
    }
  }

  private saveSoon(): void {
    if (this.dirtySince === undefined || this.saving || performance.now() - this.dirtySince < SAVE_MS * 0.9)
      return;
    this.saving = this.save()
      .catch((error: unknown) => this.options.onWarning('a cursor could not be saved', error))
      .finally(() => (this.saving = undefined));
  }

  private async save(): Promise<void> {
    const cursor = this.dealtWith;
    this.dirtySince = undefined;
    if (cursor === this.saved) return;
    const where = [this.options.group, this.laneNumbers, this.lanes.map(({ epoch }) => epoch)] as const;
    const rows = await this.query(
      this.options.withoutFence
        ? sql.saveCursorUnfenced(...where, JSON.stringify(cursor))
        : sql.saveCursor(...where, JSON.stringify(cursor), this.source.incarnation),
    );
    this.saved = cursor;
    if (rows.length < this.lanes.length) this.options.onLost();
  }

  /** The sink takes what is dealt with off its account only a moment after it has said so. */
  private lookForRoom(): void {
    if (this.lookingForRoom) return;
    this.lookingForRoom = true;
    setImmediate(() => {
      this.lookingForRoom = false;
      if (this.full && this.options.sink.pending < this.options.readAhead) this.wakeUp?.();
    });
  }

  private async sleep(ms: number): Promise<void> {
    if (this.woken || this.stopped) return;
    const over = new AbortController();
    this.wakeUp = () => over.abort();
    await pause(ms, undefined, { signal: over.signal, ref: false }).catch(() => undefined);
    this.wakeUp = undefined;
  }
}

function eventOf([
  seq,
  id,
  type,
  version,
  topic,
  key,
  slot,
  payload,
  headers,
  at,
]: log.EventRow): StoredEvent {
  return { id: id!, type, version, topic, key, slot, payload, headers, publishedAt: at, position: seq };
}
