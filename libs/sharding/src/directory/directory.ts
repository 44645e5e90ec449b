import { BackgroundLoop, Deadline, newId, slotOfId, type Id, type Meter } from '@rookery/kernel';
import { LRUCache } from 'lru-cache';
import type { Shards } from '../shards.js';
import { shardingErrors } from '../sharding.errors.js';
import { natural } from '../slots/slot.js';
import type { ShardTransaction } from '../transaction/shard-transaction.js';
import { sqlState } from '../pool/connection.js';
import {
  DirectoryOperations,
  type DirectoryStep,
  type Held,
  type Outcome,
  type Pending,
  type UniqueValue,
} from './directory-operations.js';
import { DirectorySweeper } from './directory-sweeper.js';
import * as sql from './directory.sql.js';

export type { DirectoryStep, UniqueValue };

export interface DirectoryChange {
  /** Values the owner will hold. */
  readonly claim: readonly UniqueValue[];
  /** Values it gives up by the same operation, once the new ones are its own. */
  readonly release?: readonly UniqueValue[];
  /** Runs once the values are reserved and before the transaction: slow work that only a sure claim is worth. */
  readonly prepare?: () => Promise<void>;
}

export interface DirectoryOptions {
  readonly meter: Meter;
  readonly onWarning: (message: string, error?: unknown) => void;
}

/** Beyond the longest deadline: a reservation that runs out belongs to an operation that cannot be alive any more. */
const LEASE_MS = 15_000;
const SWEEP_INTERVAL_MS = 5_000;
const HINTS = 50_000;
/** Time to finish or undo an operation beside the request that began it; the sweeper does what takes longer. */
const TIDY_MS = 5_000;

/**
 * Uniqueness across shards without two-phase commit: reserve each value in the value's own slot, under an operation and a
 * lease; write the operation's claim in the owner's transaction, beside the row; then confirm. Whoever writes the claim
 * first decides: the owner's transaction writes `committed`, the sweeper of a lease that ran out writes `aborted`, so a
 * writer that comes too late collides with it and rolls back. What is left to confirm and release stands in the claim, so
 * that any replica can finish what a dead one began.
 *
 * The directory tells where to look; the owner's row is the truth. A value may point to an owner whose row does not (yet,
 * or any more) carry it: `find` reads the row before it believes.
 */
export class Directory {
  private readonly hints = new LRUCache<string, Id>({ max: HINTS });
  private readonly operations: DirectoryOperations;
  private readonly sweeper: DirectorySweeper;
  private readonly loop: BackgroundLoop;
  private readonly tidying = new Set<Promise<unknown>>();
  /** For tests: called at each step; throwing is dying there. */
  onStep: ((step: DirectoryStep) => void | Promise<void>) | undefined;
  /** For tests: how long a reservation lasts. */
  leaseMs = LEASE_MS;

  constructor(
    private readonly shards: Shards,
    private readonly options: DirectoryOptions,
  ) {
    this.operations = new DirectoryOperations(shards, (step) => this.onStep?.(step));
    this.sweeper = new DirectorySweeper(shards, this.operations, () => this.leaseMs);
    this.loop = new BackgroundLoop({
      name: 'directory-sweeper',
      intervalMs: SWEEP_INTERVAL_MS,
      meter: options.meter,
      run: async (signal) => {
        await this.sweep(signal);
      },
      onError: (error) => options.onWarning('the directory could not be swept', error),
    });
  }

  /** Begins to finish what other replicas left behind. One per replica; any number may run. */
  startSweeper(): void {
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await Promise.allSettled(this.tidying);
  }

  /**
   * Runs `work` in a transaction on the slot of `owner`, which holds the claimed values from its commit on. When this
   * resolves, the values are confirmed and the released ones free (or will be, by the sweeper, should a shard be away).
   *
   * `work` must see to it that the owner's row still carries what is released (`UPDATE … WHERE name = old`, and throw if
   * nothing was updated): two changes of one owner at once know nothing of each other.
   * @throws RK_SHARDING_TAKEN with `data.kind` if another owner holds a value; RK_SHARDING_CLAIM_LOST if it all took longer
   * than the lease; what `Shards.transaction` and `work` throw. Nothing is left reserved.
   */
  async transaction<T>(
    owner: Id,
    change: DirectoryChange,
    work: (tx: ShardTransaction) => Promise<T>,
  ): Promise<T> {
    const operation = newId(slotOfId(owner));
    // What is claimed anew is kept, not given up.
    const release = (change.release ?? []).filter(
      (gone) => !change.claim.some(({ kind, value }) => kind === gone.kind && value === gone.value),
    );
    await this.reserveAll(owner, operation, change.claim);
    await this.onStep?.('reserved');
    const columns = [change.claim, release].flatMap((values) => [
      values.map(({ kind }) => kind),
      values.map(({ value }) => value),
    ]);
    let made: { readonly value: T; readonly pending: Pending; readonly tx: ShardTransaction } | undefined;
    try {
      await change.prepare?.();
      await this.shards.transaction(owner, async (tx) => {
        made = undefined;
        // Sent along with what the work sends first; whatever it then met came of the claim's failure, if that failed.
        const claimed = tx.query<{ pending: Pending }>(sql.claim(operation, owner, ...columns));
        claimed.catch(() => undefined);
        const value = await work(tx).catch(async (error: unknown) => {
          await claimed;
          throw error;
        });
        const [row] = await claimed;
        await this.onStep?.('claimed');
        made = { value, pending: row!.pending, tx };
      });
    } catch (failure) {
      const error =
        sqlState(failure) === '23505' && constraintOf(failure) === 'rookery_claim_pkey'
          ? shardingErrors.create('CLAIM_LOST', { cause: failure })
          : failure;
      // Whether it committed may be unknown; the claim knows.
      const outcome = await this.inOwnTime((deadline) =>
        this.resolveAll(owner, operation, change.claim, deadline),
      );
      if (outcome !== 'committed' || !shardingErrors.is(error, 'COMMIT_UNKNOWN')) throw error;
      // Only now is it known: what waits for the commit, as what ends stale entries of caches, has not run.
      made!.tx.runAfterCommit();
    }
    await this.onStep?.('committed');
    for (const { kind, value } of change.claim) this.hints.set(hintKey(kind, value), owner);
    for (const { kind, value } of release) this.hints.delete(hintKey(kind, value));
    await this.inOwnTime((deadline) =>
      this.operations.settle(owner, operation, made!.pending, deadline).catch((error: unknown) => {
        this.options.onWarning('an operation on the directory is left to the sweeper', error);
      }),
    );
    return made!.value;
  }

  /**
   * What `read` finds at the owner of a value. `read` gets the owner the directory names and gives `undefined` if its row
   * does not carry the value. An owner remembered from before is tried first, which saves the look-up in most calls.
   */
  async find<T>(
    kind: string,
    value: string,
    read: (owner: Id) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const hinted = this.hints.get(hintKey(kind, value));
    if (hinted !== undefined) {
      const found = await read(hinted);
      if (found !== undefined) return found;
    }
    const owner = await this.lookUp(kind, value);
    const found = owner === undefined || owner === hinted ? undefined : await read(owner);
    if (found !== undefined) this.hints.set(hintKey(kind, value), owner);
    else if (hinted !== undefined && owner !== hinted) this.hints.delete(hintKey(kind, value));
    return found;
  }

  /** The owner the directory names for a value, reserved or held. */
  async lookUp(kind: string, value: string): Promise<Id | undefined> {
    const rows = await this.shards.query<{ owner: Id }>(natural(value), sql.lookUp(kind, value));
    return rows[0]?.owner;
  }

  /**
   * One turn of the sweeper, over all shards that answer: decides reservations whose lease ran out, finishes operations
   * that committed, forgets old claims. Returns how many it decided or finished.
   */
  sweep(signal?: AbortSignal): Promise<number> {
    return this.sweeper.sweep(signal);
  }

  private async reserveAll(owner: Id, operation: string, values: readonly UniqueValue[]): Promise<void> {
    const outcomes = await Promise.allSettled(values.map((value) => this.reserve(owner, operation, value)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return;
    // A reservation whose COMMIT got no answer may stand as well as one that did.
    const maybe = values.filter((_, i) => {
      const outcome = outcomes[i]!;
      return outcome.status === 'fulfilled' || shardingErrors.is(outcome.reason, 'COMMIT_UNKNOWN');
    });
    if (maybe.length > 0) {
      await this.inOwnTime((deadline) => this.resolveAll(owner, operation, maybe, deadline));
    }
    throw failed.reason;
  }

  private async reserve(owner: Id, operation: string, { kind, value }: UniqueValue): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const holder = await this.shards.transaction(natural(value), async (tx) => {
        const [reserved] = await tx.query(sql.reserve(kind, value, owner, operation, this.leaseMs));
        if (reserved) return undefined;
        const [row] = await tx.query<Held & { owner: Id; expired: boolean }>(sql.holder(kind, value));
        return row ?? 'gone';
      });
      if (holder === undefined) return;
      if (attempt >= 3) throw shardingErrors.create('TAKEN', { data: { kind } });
      if (holder === 'gone') continue;
      if (!holder.expired) throw shardingErrors.create('TAKEN', { data: { kind } });
      await this.operations.resolve(holder.owner, holder.operation, { kind, value });
    }
  }

  /** Decides an operation and carries the decision out for its values. What cannot be done now is left to the sweeper. */
  private async resolveAll(
    owner: Id,
    operation: string,
    values: readonly UniqueValue[],
    deadline: Deadline,
  ): Promise<Outcome | undefined> {
    try {
      const outcome = await this.operations.decide(owner, operation, deadline);
      await Promise.all(values.map((value) => this.operations.carryOut(outcome, operation, value, deadline)));
      return outcome;
    } catch (error) {
      this.options.onWarning('a reservation is left to the sweeper', error);
      return undefined;
    }
  }

  /**
   * Tidies up under a deadline of its own, since the caller's may be what ended the work; the caller waits no longer than
   * its own.
   */
  private async inOwnTime<R>(work: (deadline: Deadline) => Promise<R>): Promise<R | undefined> {
    const caller = this.shards.deadline();
    const done = work(Deadline.after(TIDY_MS));
    this.tidying.add(done);
    done.then(
      () => this.tidying.delete(done),
      () => this.tidying.delete(done),
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), Math.max(0, caller.remaining()));
    });
    try {
      return await Promise.race([done, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function constraintOf(error: unknown): unknown {
  return error instanceof Error && 'constraint' in error ? error.constraint : undefined;
}

function hintKey(kind: string, value: string): string {
  return `${kind}\u0000${value}`;
}
