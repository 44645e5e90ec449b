import { LATE_HEADER } from '@rookery/events';
import type { Actor, Member } from '../support/actor.js';
import type { Answer } from '../support/answer.js';
import { draft, useConduit } from '../support/conduit.js';
import { readModelFaults } from '../support/leftovers.js';
import { shardUrlsOf, type SiteOptions } from '../support/site.js';

/**
 * What is acknowledged is seen by everybody's next read, although feeds, favorited lists and tags follow by events: each
 * read here goes over connections of its own, as the author, a follower, somebody else, and nobody.
 */
export function readAfterWriteSuite(options: SiteOptions = {}): void {
  const conduit = useConduit(options);
  let author: Member;
  let follower: Member;
  let fan: Member;

  beforeAll(async () => {
    [author, follower, fan] = (await conduit.cast('author', 'follower', 'fan')) as [Member, Member, Member];
  });

  /** Written in time: the answer did not go out before what its readers would miss was there. */
  function inTime(answer: Answer, status: number): Answer {
    answer.is(status);
    if (answer.headers[LATE_HEADER] !== undefined) throw new Error(`late: ${answer.describe()}`);
    return answer;
  }

  const onItsOwn = (member: Member): Actor => conduit.anonymous().with(`Token ${member.user.token}`);
  const everybody = (): Actor[] => [
    conduit.anonymous(),
    ...[author, follower, fan].map((member) => onItsOwn(member)),
  ];
  const feedOf = async (member: Member) => (await onItsOwn(member).feed({ limit: 100 })).is(200).slugs;

  describe('the next read after a write', () => {
    it('shows follows and articles in the feed', async () => {
      const early = inTime(await author.publish(draft({ title: 'Early' })), 201).article.slug;
      expect(await feedOf(follower)).toEqual([]);
      inTime(await follower.follow(author.name), 200);
      expect(await feedOf(follower)).toEqual([early]);
      for (let round = 0; round < 10; round += 1) {
        const slug = inTime(await author.publish(draft({ title: `Round ${round}` })), 201).article.slug;
        expect(await feedOf(follower)).toEqual([slug, early]);
        inTime(await author.remove(slug), 204);
        expect(await feedOf(follower)).toEqual([early]);
        inTime(await follower.unfollow(author.name), 200);
        expect(await feedOf(follower)).toEqual([]);
        inTime(await follower.follow(author.name), 200);
        expect(await feedOf(follower)).toEqual([early]);
      }
    });

    it('shows favorites in the list of whoever favorited', async () => {
      const slugs = await Promise.all(
        ['one', 'two', 'three'].map(
          async (title) => inTime(await author.publish(draft({ title })), 201).article.slug,
        ),
      );
      const newestFirst = (await conduit.anonymous().articles({ author: author.name, limit: 3 })).is(
        200,
      ).slugs;
      expect([...newestFirst].sort()).toEqual([...slugs].sort());
      const listed = async (reader: Actor) => {
        const answer = (await reader.articles({ favorited: fan.name })).is(200);
        expect(answer.articlesCount).toBe(answer.articles.length);
        return answer.slugs;
      };
      for (const slug of slugs) inTime(await fan.favorite(slug), 200);
      for (const reader of everybody()) expect(await listed(reader)).toEqual(newestFirst);
      inTime(await fan.unfavorite(newestFirst[1]!), 200);
      for (const reader of everybody())
        expect(await listed(reader)).toEqual([newestFirst[0], newestFirst[2]]);
      inTime(await author.remove(newestFirst[0]!), 204);
      for (const reader of everybody()) expect(await listed(reader)).toEqual([newestFirst[2]]);
    });

    it('shows tags as they come and go', async () => {
      const [one, two] = [conduit.unique('tag'), conduit.unique('tag')];
      const tagsSeen = async (reader: Actor) =>
        (await reader.tags()).is(200).tags.filter((tag) => tag === one || tag === two);
      const { slug } = inTime(await author.publish(draft({ tagList: [one, two] })), 201).article;
      for (const reader of everybody()) expect(await tagsSeen(reader)).toEqual([one, two].sort());
      inTime(await author.edit(slug, { tagList: [two] }), 200);
      for (const reader of everybody()) expect(await tagsSeen(reader)).toEqual([two]);
      inTime(await author.remove(slug), 204);
      for (const reader of everybody()) expect(await tagsSeen(reader)).toEqual([]);
    });

    it('leaves read models that are what they are made of', async () => {
      expect(await readModelFaults(shardUrlsOf(conduit.site))).toEqual([]);
    });
  });
}
