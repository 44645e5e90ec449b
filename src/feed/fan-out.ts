import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import type { ShardTransaction } from '@rookery/sharding';
import { articleRemovalTold } from '../articles/index.js';
import * as sql from './data/followers.sql.js';
import { feedAdded, feedBackfill, feedLeft, feedPulled, feedRemoved } from './feed.events.js';
import { FeedOptions } from './feed.options.js';

/** Articles in one delivery. */
const PAGE = 500;
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/**
 * Decides, in an author's slot, what the feeds of followers are told. Why each feed ends up with exactly the articles that
 * exist of exactly those whom its user follows:
 *
 * - Every decision locks the author's row in `author_reach` before it reads anything, and keeps it until it commits; each
 *   reads what was committed before it had the lock. So decisions about one author happen one after the other.
 * - What a decision tells a feed is an event of this slot, keyed by the follower: its number is drawn under the lock, so a
 *   feed hears of one author in the order of the decisions.
 * - A follower who comes gets all articles that stand when the lock is had; an article that appears goes to all followers
 *   who are there when the lock is had. Whichever of the two is decided later sees the other's rows, so none is missed;
 *   where both see each other, the article arrives twice, which is once.
 * - An article that ends has committed its end before it is decided whom to tell: decisions after that do not find it any
 *   more, and those before it were heard before.
 * - A long backfill is told in pages, each a decision of its own: it ends where its follower has left meanwhile or the author
 *   is pulled by now, and finds only what still stands.
 * - `pulled` is decided once, by the follower who is one too many, and told to all followers; nothing is delivered after it.
 *   A feed that hears of it drops the author's entries and takes up the line that makes it ask, in one commit. An author who
 *   loses followers again stays pulled: feeds are as exact by asking, and there is no way back to be got wrong.
 */
@Injectable()
export class FanOut {
  constructor(private readonly options: FeedOptions) {}

  async followed(tx: ShardTransaction, author: Id, follower: Id): Promise<void> {
    const [reach] = await tx.query<sql.Reach>(sql.enter(author, follower));
    if (reach!.pulled) tx.publish(feedPulled({ follower, author }));
    else if (!(await this.pullIfTooMany(tx, author, reach!)))
      await this.deliver(tx, author, follower, LAST_ID);
  }

  async unfollowed(tx: ShardTransaction, author: Id, follower: Id): Promise<void> {
    await tx.query(sql.leave(author, follower));
    tx.publish(feedLeft({ follower, author }));
  }

  /** The next page for a new follower. */
  async backfill(tx: ShardTransaction, author: Id, follower: Id, before: Id): Promise<void> {
    const { pulled } = await this.lock(tx, author);
    if (pulled || (await tx.query(sql.has(author, follower))).length === 0) return;
    await this.deliver(tx, author, follower, before);
  }

  async published(tx: ShardTransaction, author: Id, article: Id): Promise<void> {
    const reach = await this.lock(tx, author);
    if (reach.pulled || reach.followers === 0) return;
    if (await this.pullIfTooMany(tx, author, reach)) return;
    for (const follower of await this.followers(tx, author)) {
      tx.publish(feedAdded({ follower, author, articles: [article] }));
    }
  }

  /** @param removal how often followers are told of it, with this one */
  async deleted(tx: ShardTransaction, author: Id, article: Id, removal: number): Promise<void> {
    const reach = await this.lock(tx, author);
    const told = reach.pulled || reach.followers === 0 ? [] : await this.followers(tx, author);
    tx.publish(
      ...told.map((follower) => feedRemoved({ follower, author, articles: [article], removal })),
      articleRemovalTold({
        articleId: article,
        part: 'feeds',
        round: removal,
        places: told.length,
        last: true,
      }),
    );
  }

  private async lock(tx: ShardTransaction, author: Id): Promise<sql.Reach> {
    const [there] = await tx.query<sql.Reach>(sql.lock(author));
    if (there) return there;
    const [made] = await tx.query<sql.Reach>(sql.lockNew(author));
    return made!;
  }

  /** Whether this is when the author's feeds are told to ask. */
  private async pullIfTooMany(tx: ShardTransaction, author: Id, { followers }: sql.Reach): Promise<boolean> {
    if (followers <= this.options.fanOutMax) return false;
    tx.send(sql.pull(author));
    for (const follower of await this.followers(tx, author)) tx.publish(feedPulled({ follower, author }));
    return true;
  }

  private async followers(tx: ShardTransaction, author: Id): Promise<Id[]> {
    const rows = await tx.query<{ follower: Id }>(sql.all(author));
    return rows.map(({ follower }) => follower);
  }

  private async deliver(tx: ShardTransaction, author: Id, follower: Id, before: Id): Promise<void> {
    const rows = await tx.query<{ id: Id }>(sql.articlesBefore(author, before, PAGE));
    const articles = rows.map(({ id }) => id);
    if (articles.length > 0) tx.publish(feedAdded({ follower, author, articles }));
    if (articles.length === PAGE) tx.publish(feedBackfill({ follower, author, before: articles.at(-1)! }));
  }
}
