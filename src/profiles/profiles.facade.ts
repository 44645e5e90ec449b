import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Shards } from '@rookery/sharding';
import * as sql from './data/profiles.sql.js';

const NOBODY: ReadonlySet<Id> = new Set();

/** What other features may ask about who follows whom. */
@Injectable()
export class ProfilesFacade {
  constructor(private readonly shards: Shards) {}

  /** Which of `users` the viewer follows: one statement on the viewer's shard, none without a viewer. */
  async followedAmong(viewer: Id | undefined, users: readonly Id[]): Promise<ReadonlySet<Id>> {
    if (viewer === undefined || users.length === 0) return NOBODY;
    const rows = await this.shards.query<[Id]>(viewer, sql.followedAmong(viewer, users));
    return rows.length === 0 ? NOBODY : new Set(rows.map(([id]) => id));
  }
}
