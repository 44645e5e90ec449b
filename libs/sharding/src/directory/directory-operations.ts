import type { Deadline, Id } from '@rookery/kernel';
import type { Statement } from '../pool/statement.js';
import type { Shards } from '../shards.js';
import { natural } from '../slots/slot.js';
import * as sql from './directory.sql.js';

/** A value that may be held once in the whole cluster: `{ kind: 'username', value: 'ada' }`. */
export interface UniqueValue {
  readonly kind: string;
  readonly value: string;
}

/** The points between which a process may die; for tests that make it. */
export type DirectoryStep = 'reserved' | 'claimed' | 'committed' | 'confirmed' | 'released' | 'settled';

export type Outcome = 'committed' | 'aborted';

/** A value and the operation it is held under. */
export interface Held {
  readonly kind: string;
  readonly value: string;
  readonly operation: string;
}

/** What is left to do in other slots once an operation has committed. */
export interface Pending {
  readonly confirm: readonly UniqueValue[];
  readonly release: readonly Held[];
}

/** What is done to operations by whoever finishes them: the replica that began them, or any replica's sweeper. */
export class DirectoryOperations {
  constructor(
    private readonly shards: Shards,
    private readonly step: (step: DirectoryStep) => void | Promise<void>,
  ) {}

  /** Decides an operation, if nobody has, and carries the decision out for one value. */
  async resolve(owner: Id, operation: string, value: UniqueValue): Promise<void> {
    await this.carryOut(await this.decide(owner, operation), operation, value);
  }

  /** What became of an operation; nothing, from now on, if it had not committed. */
  decide(owner: Id, operation: string, deadline?: Deadline): Promise<Outcome> {
    return this.shards.transaction(
      owner,
      async (tx) => {
        tx.send(sql.abort(operation, owner));
        const [row] = await tx.query<{ outcome: Outcome }>(sql.outcome(operation));
        return row!.outcome;
      },
      { deadline },
    );
  }

  /** Makes a reservation what became of its operation: held, or as it was before. */
  async carryOut(
    outcome: Outcome,
    operation: string,
    { kind, value }: UniqueValue,
    deadline?: Deadline,
  ): Promise<void> {
    const statement = (outcome === 'committed' ? sql.confirm : sql.giveUp)(kind, value, operation);
    await this.change({ kind, value }, statement, deadline);
  }

  /** Finishes an operation that committed. Any number may do so at once, in any order. */
  async settle(owner: Id, operation: string, pending: Pending, deadline?: Deadline): Promise<void> {
    await Promise.all(pending.confirm.map((value) => this.carryOut('committed', operation, value, deadline)));
    await this.step('confirmed');
    await Promise.all(
      pending.release.map((held) =>
        this.change(held, sql.release(held.kind, held.value, held.operation), deadline),
      ),
    );
    await this.step('released');
    await this.shards.transaction(owner, (tx) => tx.execute(sql.settled(operation)), { deadline });
    await this.step('settled');
  }

  /** Changes the entry of a value as it stands, whoever else is changing it. One round trip. */
  private async change(
    { kind, value }: UniqueValue,
    statement: Statement,
    deadline?: Deadline,
  ): Promise<void> {
    await this.shards.transaction(
      natural(value),
      async (tx) => {
        tx.send(sql.hold(kind, value));
        tx.send(statement);
      },
      { deadline },
    );
  }
}
