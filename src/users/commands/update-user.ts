import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { PasswordHasher } from '@rookery/security';
import { shardingErrors, Shards, type ShardTransaction, type UniqueValue } from '@rookery/sharding';
import * as sql from '../data/users.sql.js';
import { emailKey, usernameKey } from '../unique-values.js';
import { usersErrors } from '../users.errors.js';
import { userChanged } from '../users.events.js';
import type { UserChange } from '../users.schemas.js';

/** Someone else changed the names between the look at them and the transaction: look again. */
class NamesMoved extends Error {}

/** Between two looks, more with each: many changes of one account at once must not march in step. */
const PAUSE_MS = 10;

/**
 * Changes a user's own account. A new name is reserved before the old one is released, so at every moment, and after a
 * crash at any of them, the user has exactly one username and one e-mail, and nobody else has them.
 */
@Injectable()
export class UpdateUser {
  constructor(
    private readonly shards: Shards,
    private readonly passwords: PasswordHasher,
  ) {}

  /** @throws RK_USERS_NAME_TAKEN with `data.kind`, RK_USERS_NO_ACCOUNT, RK_USERS_CHANGING, RK_SECURITY_BUSY */
  async run(id: Id, change: UserChange): Promise<sql.AccountRow> {
    const deadline = this.shards.deadline();
    for (let attempt = 1; ; attempt++) {
      const [before] = await this.shards.query<sql.AccountRow>(id, sql.account(id));
      if (!before) throw usersErrors.create('NO_ACCOUNT');
      try {
        return await this.attempt(before, change);
      } catch (error) {
        // The contract knows a conflict of names only where a user registers; here a name is a field at fault.
        if (shardingErrors.is(error, 'TAKEN'))
          throw usersErrors.create('NAME_TAKEN', { data: error.data, cause: error });
        if (!(error instanceof NamesMoved)) throw error;
        const wait = Math.random() * PAUSE_MS * attempt;
        if (deadline.remaining() <= wait) throw usersErrors.create('CHANGING', { retryAfterSeconds: 1 });
        await pause(wait);
      }
    }
  }

  private async attempt(before: sql.AccountRow, change: UserChange): Promise<sql.AccountRow> {
    const moves = nameMoves(before, change);
    let passwordHash: string | null = null;
    const prepare = async (): Promise<void> => {
      if (change.password !== undefined) passwordHash = await this.passwords.hash(change.password);
    };
    const work = (tx: ShardTransaction): Promise<sql.AccountRow> =>
      this.write(tx, before, change, passwordHash);
    if (moves.claim.length > 0) {
      return this.shards.directory.transaction(before.id, { ...moves, prepare }, work);
    }
    await prepare();
    return this.shards.transaction(before.id, work);
  }

  private async write(
    tx: ShardTransaction,
    before: sql.AccountRow,
    change: UserChange,
    passwordHash: string | null,
  ): Promise<sql.AccountRow> {
    const [now] = await tx.query<sql.AccountRow>(sql.accountForUpdate(before.id));
    if (!now) throw usersErrors.create('NO_ACCOUNT');
    if (now.username !== before.username || now.email !== before.email) throw new NamesMoved();
    const after: sql.AccountRow = {
      id: now.id,
      username: change.username ?? now.username,
      email: change.email ?? now.email,
      bio: change.bio === undefined ? now.bio : change.bio,
      image: change.image === undefined ? now.image : change.image,
    };
    tx.send(sql.update(after.id, after.username, after.email, after.bio, after.image, passwordHash));
    if (after.username !== now.username || after.bio !== now.bio || after.image !== now.image) {
      tx.publish(userChanged({ userId: after.id }));
    }
    return after;
  }
}

function nameMoves(
  before: sql.AccountRow,
  change: UserChange,
): { claim: UniqueValue[]; release: UniqueValue[] } {
  const pairs: [UniqueValue, UniqueValue][] = [];
  if (change.username !== undefined) pairs.push([usernameKey(before.username), usernameKey(change.username)]);
  if (change.email !== undefined) pairs.push([emailKey(before.email), emailKey(change.email)]);
  const moved = pairs.filter(([from, to]) => from.value !== to.value);
  return { claim: moved.map(([, to]) => to), release: moved.map(([from]) => from) };
}
