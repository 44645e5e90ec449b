import type { Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { Gate } from '../support/gate.js';
import { closeShards, openShards } from '../support/footprint.js';
import { readModelFaults } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';
import { until } from '../support/until.js';

/** What happens to one author at once, brought about: each would lose or leave articles if the other were not waited for. */
describe('a feed', () => {
  // Answers would wait for what is held up here.
  const conduit = useConduit({ environment: { READ_AFTER_WRITE_MS: '250' } });
  let author: Member;
  let reader: Member;

  beforeEach(async () => {
    [author, reader] = (await conduit.cast('author', 'reader')) as [Member, Member];
  });

  const publish = async (title: string) => (await author.publish(draft({ title }))).is(201).article.slug;
  const feed = async () => (await reader.feed({ limit: 1 })).is(200).articlesCount;
  const untilHandled = async () => {
    let faults: string[] = [];
    await until('all is handled', async () => {
      faults = await readModelFaults(shardUrlsOf(conduit.site));
      return faults.length === 0;
    }).catch(() => undefined);
    expect(faults).toEqual([]);
  };

  it('has what is published while its reader is being entered', async () => {
    await publish('Before');
    const gate = await Gate.at(
      shardUrlsOf(conduit.site),
      'INSERT ON rookery_event',
      `NEW.type = 'conduit.feed.added'`,
    );
    try {
      // The follower is entered, and has been given what there is; nobody else sees that yet.
      const followed = reader.follow(author.name);
      await gate.untilReached();
      await publish('Meanwhile');
      await gate.open();
      (await followed).is(200);
    } finally {
      await gate.open();
    }
    await untilHandled();
    expect(await feed()).toBe(2);
  });

  it('has nothing of whom its reader left while the rest was still to come', async () => {
    await publish('First');
    const clients = await openShards(shardUrlsOf(conduit.site));
    for (const client of clients) {
      // More than a page, beside the site.
      await client.query(
        `INSERT INTO article (id, author_id, slug, title, description, body, tag_list, created_at, updated_at)
         SELECT rookery_new_id(rookery_slot_of(u.id)), u.id, 'loaded-' || u.username || n, 'x', 'x', 'x', '{}', now(), now()
         FROM users u, generate_series(1, 1200) n WHERE u.username = '${author.name}'`,
      );
    }
    await closeShards(clients);
    const gate = await Gate.at(
      shardUrlsOf(conduit.site),
      'INSERT ON rookery_inbox',
      `NEW.grp = 'feed-fan-out'`,
    );
    try {
      (await reader.follow(author.name)).is(200);
      await gate.untilReached();
      // The first page gets there beside what waits at the gate; the next one cannot.
      await until('the first page is in the feed', async () => (await feed()) > 0);
      expect(await feed()).toBe(500);
      (await reader.unfollow(author.name)).is(200);
    } finally {
      await gate.open();
    }
    await untilHandled();
    expect(await feed()).toBe(0);

    (await reader.follow(author.name)).is(200);
    await untilHandled();
    expect(await feed()).toBe(1_201);
  });
});
