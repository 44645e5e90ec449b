import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';

export function profilesSuite(): void {
  const conduit = useConduit();
  let ada: Member;
  let bob: Member;
  let eve: Member;
  let visitor: Actor;

  beforeAll(async () => {
    [ada, bob, eve] = (await conduit.cast('ada', 'bob', 'eve')) as [Member, Member, Member];
    visitor = conduit.anonymous();
  });

  const followingOf = async (viewer: Actor, username: string): Promise<boolean> =>
    (await viewer.profile(username)).is(200).profile.following;

  describe('a profile', () => {
    it('has the name, bio and image of its user, and no more', async () => {
      (await ada.updateMe({ bio: 'Counts.', image: 'https://example.com/ada.png' })).is(200);
      expect((await visitor.profile(ada.name)).is(200).profile).toEqual({
        username: ada.name,
        bio: 'Counts.',
        image: 'https://example.com/ada.png',
        following: false,
      });
    });

    it('of nobody is not found, with a token or without', async () => {
      for (const viewer of [visitor, ada]) {
        const { errors } = (await viewer.profile(conduit.unique('nobody'))).is(404);
        expect(errors).toEqual({ profile: ['not found'] });
      }
    });
  });

  describe('following', () => {
    it('is seen by the follower at once, and by nobody else', async () => {
      expect((await bob.follow(ada.name)).is(200).profile).toMatchObject({
        username: ada.name,
        following: true,
      });
      const bobElsewhere = conduit.anonymous().with(`Token ${bob.user.token}`);
      expect(await followingOf(bobElsewhere, ada.name)).toBe(true);
      for (const other of [visitor, eve, ada]) expect(await followingOf(other, ada.name)).toBe(false);
      expect(await followingOf(ada, bob.name)).toBe(false);

      expect((await bob.unfollow(ada.name)).is(200).profile).toMatchObject({ following: false });
      expect(await followingOf(bobElsewhere, ada.name)).toBe(false);
    });

    it('twice is following once, and so for its opposite', async () => {
      for (const following of [true, true, false, false]) {
        const { profile } = (await (following ? eve.follow(ada.name) : eve.unfollow(ada.name))).is(200);
        expect(profile.following).toBe(following);
        expect(await followingOf(eve, ada.name)).toBe(following);
      }
    });

    it('shows in the author of an article, of a list and of a comment', async () => {
      const { slug } = (await ada.publish(draft())).is(201).article;
      (await ada.comment(slug, 'Mine.')).is(201);
      (await bob.follow(ada.name)).is(200);
      for (const [viewer, following] of [
        [bob, true],
        [eve, false],
        [visitor, false],
      ] as const) {
        expect((await viewer.article(slug)).is(200).article.author.following).toBe(following);
        const listed = (await viewer.articles({ author: ada.name })).is(200).articles;
        expect(listed.map(({ author }) => author.following)).toEqual([following]);
        const { comments } = (await viewer.comments(slug)).is(200);
        expect(comments.map(({ author }) => author.following)).toEqual([following]);
      }
    });

    it('of nobody is not found', async () => {
      const nobody = conduit.unique('nobody');
      for (const answer of [await bob.follow(nobody), await bob.unfollow(nobody)]) {
        expect(answer.is(404).errors).toEqual({ profile: ['not found'] });
      }
    });

    it('takes an empty body that says it is JSON', async () => {
      const headers = { 'content-type': 'application/json' };
      for (const id of ['FollowUserByUsername', 'UnfollowUserByUsername']) {
        const answer = await eve.ask(id, { path: { username: ada.name }, headers });
        expect(answer.status).toBe(200);
      }
    });
  });
}
