import type { Id } from '@rookery/kernel';
import type { Shards } from '../shards.js';
import type { DirectoryOperations, Held, Pending, UniqueValue } from './directory-operations.js';
import * as sql from './directory.sql.js';

const SWEEP_BATCH = 100;
/** Settled claims and aborts are kept long after any transaction that could still meet them. */
const KEEP_CLAIMS_HOURS = 24;
const NO_OPERATION = '00000000-0000-0000-0000-000000000000';
/** Finishes what replicas left behind: any number may sweep at once, beside the writers. */
export class DirectorySweeper {
  constructor(
    private readonly shards: Shards,
    private readonly operations: DirectoryOperations,
    private readonly leaseMs: () => number,
  ) {}

  /** One turn over all shards that answer. Returns how many operations it decided or finished. */
  async sweep(signal?: AbortSignal): Promise<number> {
    let done = 0;
    let failure: unknown;
    for (const shard of this.shards.shardNames) {
      if (signal?.aborted) break;
      try {
        done += await this.sweepShard(shard, signal);
      } catch (error) {
        // The others are swept all the same.
        failure = error;
      }
    }
    if (failure !== undefined) throw failure;
    return done;
  }

  private async sweepShard(shard: string, signal?: AbortSignal): Promise<number> {
    let done = 0;
    let failure: unknown;
    const finish = async (work: Promise<unknown>): Promise<void> => {
      try {
        await work;
        done += 1;
      } catch (error) {
        // Its other shard may be away: what stands behind it in line may be finished all the same.
        failure = error;
      }
    };
    let last: UniqueValue = { kind: '', value: '' };
    for (let full = true; full && !signal?.aborted;) {
      const expired = await this.shards.queryShard<Held & { owner: Id }>(
        shard,
        sql.expired(last.kind, last.value, SWEEP_BATCH),
      );
      for (const { kind, value, owner, operation } of expired) {
        if (signal?.aborted) break;
        await finish(this.operations.resolve(owner, operation, { kind, value }));
        last = { kind, value };
      }
      full = expired.length === SWEEP_BATCH;
    }
    let lastOperation = NO_OPERATION;
    for (let full = true; full && !signal?.aborted;) {
      const unsettled = await this.shards.queryShard<{ operation: string; owner: Id; pending: Pending }>(
        shard,
        sql.unsettled(lastOperation, SWEEP_BATCH, this.leaseMs()),
      );
      for (const { operation, owner, pending } of unsettled) {
        if (signal?.aborted) break;
        await finish(this.operations.settle(owner, operation, pending));
        lastOperation = operation;
      }
      full = unsettled.length === SWEEP_BATCH;
    }
    if (failure !== undefined) throw failure;
    await this.shards.queryShard(shard, sql.forgetClaims(KEEP_CLAIMS_HOURS, SWEEP_BATCH));
    return done;
  }
}
