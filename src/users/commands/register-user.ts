import { Injectable } from '@nestjs/common';
import { newId, SLOT_COUNT } from '@rookery/kernel';
import { PasswordHasher } from '@rookery/security';
import { Shards } from '@rookery/sharding';
import { randomInt } from 'node:crypto';
import { UserEntity } from '../data/user.entity.js';
import type { AccountRow } from '../data/users.sql.js';
import { emailKey, usernameKey } from '../unique-values.js';
import type { NewUser } from '../users.schemas.js';

/**
 * Registers a user: both names are reserved first, so that a taken one costs no password hash, and held from the commit
 * of the user's row on. A crash at any point leaves a whole user or none, and no name held by nobody.
 */
@Injectable()
export class RegisterUser {
  constructor(
    private readonly shards: Shards,
    private readonly passwords: PasswordHasher,
  ) {}

  /** @throws RK_SHARDING_TAKEN with `data.kind` 'username' or 'email'; RK_SECURITY_BUSY */
  async run({ username, email, password }: NewUser): Promise<AccountRow> {
    const id = newId(randomInt(SLOT_COUNT));
    let passwordHash = '';
    await this.shards.directory.transaction(
      id,
      {
        claim: [usernameKey(username), emailKey(email)],
        prepare: async () => {
          passwordHash = await this.passwords.hash(password);
        },
      },
      async (tx) => {
        await tx.insert(UserEntity, { id, username, email, passwordHash });
      },
    );
    return { id, username, email, bio: null, image: null };
  }
}
