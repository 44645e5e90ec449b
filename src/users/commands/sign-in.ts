import { Injectable } from '@nestjs/common';
import { PasswordHasher } from '@rookery/security';
import { Shards } from '@rookery/sharding';
import * as sql from '../data/users.sql.js';
import { foldEmail } from '../unique-values.js';
import { usersErrors } from '../users.errors.js';
import type { Login } from '../users.schemas.js';

/** Checks an e-mail and a password. An unknown e-mail takes as long as a wrong password. */
@Injectable()
export class SignIn {
  constructor(
    private readonly shards: Shards,
    private readonly passwords: PasswordHasher,
  ) {}

  /** @throws RK_USERS_BAD_CREDENTIALS, RK_SECURITY_BUSY */
  async run({ email, password }: Login): Promise<sql.AccountRow> {
    const folded = foldEmail(email);
    const user = await this.shards.directory.find('email', folded, async (owner) => {
      const rows = await this.shards.query<sql.AccountRow & { passwordHash: string }>(
        owner,
        sql.credentials(owner, folded),
      );
      return rows[0];
    });
    const right = user
      ? await this.passwords.verify(user.passwordHash, password)
      : await this.passwords.verifyAbsent(password);
    if (!user || !right) throw usersErrors.create('BAD_CREDENTIALS');
    return user;
  }
}
