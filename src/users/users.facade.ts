import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Shards } from '@rookery/sharding';
import * as sql from './data/users.sql.js';

/** What other features may know of a user: who it is, and the public part of the profile as an open JSON object. */
export interface UserCard {
  readonly id: Id;
  /** `{"username":…,"bio":…,"image":…` without the closing brace. */
  readonly card: string;
}

@Injectable()
export class UsersFacade {
  constructor(private readonly shards: Shards) {}

  /** One statement where the name was asked for before; one more, on the directory, where it was not. */
  byUsername(username: string): Promise<UserCard | undefined> {
    return this.shards.directory.find('username', username, async (owner) => {
      const rows = await this.shards.query<sql.CardRow>(owner, sql.cardByName(owner, username));
      return rows[0];
    });
  }

  async byId(id: Id): Promise<UserCard | undefined> {
    const rows = await this.shards.query<sql.CardRow>(id, sql.card(id));
    return rows[0];
  }

  /** Cards by id: one statement per shard that holds any of them. Who does not exist is left out. */
  async byIds(ids: readonly Id[]): Promise<Map<Id, string>> {
    const byShard = new Map<string, Id[]>();
    for (const id of new Set(ids)) {
      const shard = await this.shards.shardOf(id);
      const there = byShard.get(shard);
      if (there) there.push(id);
      else byShard.set(shard, [id]);
    }
    const found = new Map<Id, string>();
    if (byShard.size === 0) return found;
    const lists = await Promise.all(
      [...byShard.values()].map((there) => this.shards.query<sql.CardRow>(there[0]!, sql.cards(there))),
    );
    for (const { id, card } of lists.flat()) found.set(id, card);
    return found;
  }
}
