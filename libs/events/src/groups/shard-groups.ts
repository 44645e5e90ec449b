import { setTimeout as pause } from 'node:timers/promises';
import { BackgroundLoop, type Meter } from '@rookery/kernel';
import type { Shards } from '@rookery/sharding';
import { EVERY_LANE, type LaneMask } from '../log/lanes.js';
import * as log from '../log/log.sql.js';
import type { Cursor } from './cursor.js';
import { GroupReader, type EventSink, type Lane } from './group-reader.js';
import * as sql from './groups.sql.js';

/** A group, as far as reading it is concerned. */
export interface GroupSource {
  readonly name: string;
  /** Types it wants; what other replicas of it handle is read for it, too. */
  readonly types: readonly string[];
  readonly sinkFor: (shard: string) => GroupSinkLike;
}

export interface GroupSinkLike extends EventSink {
  /** Lanes of a shard were taken over: what they left behind is learnt before anything is read. */
  prepare(shard: string, lanes: readonly number[]): Promise<void>;
  /** Parked events may be due. */
  retryDue(shard: string, lanes: readonly number[]): Promise<void>;
}

export interface ShardGroupsOptions {
  readonly shards: Shards;
  readonly shard: string;
  readonly groups: readonly GroupSource[];
  readonly replicaId: string;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly readAhead: number;
  /** Where a group that is new begins; with what is published from then on where it says nothing. */
  readonly start: Cursor | null;
  readonly onTimersDue: (shard: string) => Promise<void>;
  /** Parked events may be due, of groups too that do not read the log. */
  readonly onParkedDue?: (shard: string) => Promise<void>;
  readonly onWarning: (message: string, error?: unknown) => void;
  readonly meter: Meter;
  readonly bySequence: boolean;
  readonly withoutFence: boolean;
}

/** What this replica has of one group here. */
interface Held {
  readonly source: GroupSource;
  readonly sink: GroupSinkLike;
  lanes: Map<number, Lane>;
  reader: GroupReader | undefined;
  types: readonly string[];
  /** Bringing the reader in line with the lanes; one at a time. */
  changing: Promise<void> | undefined;
}

const TICK_MS = 10_000;
const FIRST_POLL_MS = 25;
/** Looks are so much rarer where NOTIFY is heard: for what a process that ended had no time to tell. */
const POLLS_TOLD = 4;
const LOOK_LIMIT_MS = 30_000;

/**
 * The groups of this replica on one shard: shares their lanes with the other replicas, fairly and without a leader, reads
 * those it has, and looks for news where nobody told of any.
 */
export class ShardGroups {
  private readonly held = new Map<string, Held>();
  private readonly keeper: BackgroundLoop;
  private readonly pulse: BackgroundLoop;
  private lastSeq = -1n;
  private tickedAt = -Infinity;
  private tickedSeq = -1n;
  private confirmedUntil = -Infinity;
  private quietMs = FIRST_POLL_MS;
  private endQuiet: (() => void) | undefined;
  private hears = false;
  /** Since the last look somebody told of news, here or elsewhere. */
  private told = false;
  /** Since the last look began somebody asked for another. */
  private asked = false;
  private stopping = false;
  private adopted = false;
  private incarnation: string | null = null;

  constructor(private readonly options: ShardGroupsOptions) {
    const { shard, meter } = options;
    for (const source of options.groups) {
      this.held.set(source.name, {
        source,
        sink: source.sinkFor(shard),
        lanes: new Map(),
        reader: undefined,
        types: source.types,
        changing: undefined,
      });
    }
    this.keeper = new BackgroundLoop({
      name: 'event-lanes',
      intervalMs: options.leaseMs / 3,
      maxBackoffMs: options.leaseMs / 3,
      meter,
      run: () => this.share(),
      onError: (error) => options.onWarning(`lanes of ${shard} could not be shared out`, error),
    });
    this.pulse = new BackgroundLoop({
      name: 'event-pulse',
      intervalMs: FIRST_POLL_MS,
      maxBackoffMs: options.pollMs,
      // Being quiet is part of a turn.
      turnLimitMs: LOOK_LIMIT_MS + options.pollMs * POLLS_TOLD,
      meter,
      run: (signal) => this.look(signal),
      onError: (error) => options.onWarning(`the event log of ${shard} could not be looked at`, error),
    });
  }

  get shard(): string {
    return this.options.shard;
  }

  start(): void {
    this.keeper.start();
    this.pulse.start();
  }

  /** Shares anew now. For start-up, and for tests. */
  async share(): Promise<void> {
    if (this.stopping) return;
    const { shards, shard, replicaId, leaseMs } = this.options;
    if (!this.adopted) await this.adopt();
    const asked = performance.now();
    const from = this.options.start;
    const groups = [...this.held.values()].map(({ source }) => ({
      group: source.name,
      types: [...source.types].sort(),
      from,
    }));
    if (groups.length === 0) return;
    const rows = await shards.queryShard<sql.LaneRow>(
      shard,
      sql.share(replicaId, JSON.stringify(groups), leaseMs),
    );
    this.confirmedUntil = asked + leaseMs;
    this.incarnation = rows[0]?.incarnation ?? this.incarnation;
    for (const held of this.held.values()) {
      this.settle(
        held,
        rows.filter(({ grp }) => grp === held.source.name),
      );
    }
  }

  /** Something was committed here, or elsewhere: there is something to read, of these types and in these lanes. */
  wake({
    types,
    lanes = EVERY_LANE,
  }: { types?: ReadonlySet<string>; lanes?: LaneMask | undefined } = {}): void {
    this.told = true;
    // Who hears nothing is to look, since more may come that nobody here tells of.
    if (!this.hears) this.lookSoon();
    for (const { reader, types: wanted } of this.held.values()) {
      if (!reader || (reader.lanesRead & lanes) === 0) continue;
      if (!types || wanted.some((type) => types.has(type))) reader.wake();
    }
  }

  /** Something here may be due, or about to be. */
  lookSoon(): void {
    this.asked = true;
    this.endQuiet?.();
  }

  /** What this replica told of the shard has come back by NOTIFY: so does what others tell. */
  heardItself(): void {
    this.hears = true;
  }

  /** NOTIFY goes another way than it did, and may lead nowhere. */
  mayBeDeaf(): void {
    this.hears = false;
  }

  /** Lanes this replica has, by group. */
  lanes(): ReadonlyMap<string, readonly number[]> {
    return new Map([...this.held].map(([name, { lanes }]) => [name, [...lanes.keys()]]));
  }

  /** How far behind this replica's lanes of each group are. */
  lag(): { group: string; lagMs: number; pending: number; lanes: number }[] {
    return [...this.held].map(([group, { reader, sink, lanes }]) => ({
      group,
      lagMs: reader?.lagMs ?? 0,
      pending: sink.pending,
      lanes: lanes.size,
    }));
  }

  /** Gives everything up, in order: what is under way ends, cursors are saved, others may go on at once. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all([this.keeper.stop(), this.pulse.stop()]);
    await Promise.all(
      [...this.held.values()].map(async (held) => {
        await held.changing;
        await this.release(held, held.lanes);
      }),
    );
    const names = [...this.held.keys()];
    await this.options.shards
      .queryShard(this.shard, sql.leave(this.options.replicaId, names))
      .catch((error: unknown) => this.options.onWarning('a lease is left to run out', error));
  }

  /** Whether the log is at home here: it may have been restored from another server. */
  private async adopt(): Promise<void> {
    const [row] = await this.options.shards.queryShard<{ adopted: boolean }>(this.shard, sql.adopt());
    this.adopted = true;
    if (row!.adopted) {
      this.options.onWarning(
        `the event log of ${this.shard} comes from another server: groups go on by number`,
      );
    }
  }

  private settle(held: Held, rows: readonly sql.LaneRow[]): void {
    if (rows[0]) held.types = rows[0].types;
    if (held.changing || this.stopping) return;
    const kept = new Map<number, Lane>();
    const parting = new Map<number, Lane>();
    let fresh = false;
    for (const { lane, epoch, cursor, crashed, incarnation, give_up: giveUp, is_new: isNew } of rows) {
      const before = held.lanes.get(lane);
      const known = !isNew && before?.epoch === epoch && before.incarnation === incarnation;
      if (!known) fresh = true;
      (giveUp ? parting : kept).set(lane, known ? before : { lane, epoch, cursor, crashed, incarnation });
    }
    const lost = [...held.lanes].some(
      ([lane, { epoch }]) => (kept.get(lane) ?? parting.get(lane))?.epoch !== epoch,
    );
    if (!fresh && !lost && parting.size === 0) return;
    held.changing = this.change(held, kept, parting)
      .catch((error: unknown) =>
        this.options.onWarning(`lanes of group ${held.source.name} could not be taken up`, error),
      )
      .finally(() => (held.changing = undefined));
  }

  /** A change of lanes drains before it lets go, and reads on from where the one that is furthest behind is. */
  private async change(held: Held, kept: Map<number, Lane>, parting: Map<number, Lane>): Promise<void> {
    const { shard } = this.options;
    const position = await held.reader?.stop();
    held.reader = undefined;
    const had = held.lanes;
    held.lanes = new Map();
    if (parting.size > 0) await this.giveUp(held, parting);
    const lanes = [...kept.values()].map((lane) => {
      const before = had.get(lane.lane);
      const isSame = before?.epoch === lane.epoch && before.incarnation === lane.incarnation;
      return position && isSame ? { ...lane, cursor: position, crashed: false } : lane;
    });
    const [first, ...others] = lanes;
    if (!first || this.stopping) return;
    // Until this has gone well the lanes do not count as taken up, and are tried again with the next look.
    await held.sink.prepare(
      shard,
      lanes.map(({ lane }) => lane),
    );
    held.lanes = new Map(lanes.map((lane) => [lane.lane, lane]));
    const { shards, pollMs, readAhead, onWarning, bySequence, withoutFence } = this.options;
    held.reader = new GroupReader(
      {
        shards,
        shard,
        group: held.source.name,
        types: () => held.types,
        sink: held.sink,
        readAhead,
        pollMs,
        lastSeq: () => this.lastSeq,
        onWarning,
        onLost: () => this.keeper.wake(),
        bySequence,
        withoutFence,
      },
      [first, ...others],
    );
  }

  private async release(held: Held, lanes: ReadonlyMap<number, Lane>): Promise<void> {
    try {
      await held.reader?.stop();
      held.reader = undefined;
      await this.giveUp(held, lanes);
    } catch (error) {
      this.options.onWarning('a lease is left to run out', error);
    }
  }

  private async giveUp(held: Held, lanes: ReadonlyMap<number, Lane>): Promise<void> {
    if (lanes.size === 0) return;
    await this.options.shards.queryShard(
      this.shard,
      sql.giveUpLanes(
        held.source.name,
        [...lanes.keys()],
        [...lanes.values()].map(({ epoch }) => epoch),
      ),
    );
  }

  /** One look at the shard, whatever groups there are: cheap enough to be had while nothing happens. */
  private async look(signal: AbortSignal): Promise<void> {
    const { shards, shard, pollMs } = this.options;
    if (performance.now() > this.confirmedUntil) this.keeper.wake();
    this.asked = false;
    const [row] = await shards.queryShard<{
      last: string;
      timerDue: boolean | null;
      parkedDue: boolean | null;
      dueInMs: number | null;
      incarnation: string | null;
    }>(shard, log.pulse());
    const last = BigInt(row!.last);
    if (row!.incarnation !== this.incarnation) this.keeper.wake();
    const news = last !== this.lastSeq;
    const untold = news && !this.told;
    this.lastSeq = last;
    if (news) this.wake();
    this.told = false;
    if (row!.timerDue) await this.options.onTimersDue(shard);
    if (row!.parkedDue) {
      for (const { sink, lanes } of this.held.values()) {
        if (lanes.size > 0) await sink.retryDue(shard, [...lanes.keys()]);
      }
      await this.options.onParkedDue?.(shard);
    }
    if (row!.incarnation !== null) await this.tick(last, row!.incarnation);
    const due = row!.timerDue === true || row!.parkedDue === true;
    // What is due and stays so is another's to deal with, or waits for a second try.
    const most = this.hears && !due ? pollMs * POLLS_TOLD : pollMs;
    const pace = this.paceMs(untold || this.asked);
    this.quietMs = news || this.asked ? pace : Math.min(this.quietMs * 2, most);
    // The loop's own interval is for when there is news; the rest of the quiet is waited for here.
    const rest = Math.min(this.quietMs, due ? Infinity : (row!.dueInMs ?? Infinity)) - FIRST_POLL_MS;
    if (rest > 0) await this.quiet(rest, signal);
  }

  /** Milliseconds between two looks while there is news with each: looks are for what nobody tells of. */
  private paceMs(untold: boolean): number {
    if (!this.hears) return FIRST_POLL_MS;
    return untold ? Math.min(FIRST_POLL_MS * POLLS_TOLD, this.options.pollMs) : this.options.pollMs;
  }

  /** Waits, unless there is something to look at. */
  private async quiet(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const soon = this.paceMs(true);
    if (this.quietMs > soon) {
      this.endQuiet = () => {
        this.quietMs = soon;
        over.abort();
      };
    }
    const either = AbortSignal.any([signal, over.signal]);
    await pause(ms, undefined, { signal: either, ref: false }).catch(() => undefined);
    this.endQuiet = undefined;
  }

  private async tick(last: bigint, incarnation: string): Promise<void> {
    const now = performance.now();
    if (last === this.tickedSeq || now - this.tickedAt < TICK_MS) return;
    this.tickedAt = now;
    this.tickedSeq = last;
    await this.options.shards.queryShard(this.shard, log.tick(String(last), incarnation));
  }
}
