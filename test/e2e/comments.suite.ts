import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';

export function commentsSuite(): void {
  const conduit = useConduit();
  let ada: Member;
  let bob: Member;
  let visitor: Actor;
  let slug: string;

  beforeAll(async () => {
    [ada, bob] = (await conduit.cast('ada', 'bob')) as [Member, Member];
    visitor = conduit.anonymous();
  });

  beforeEach(async () => {
    slug = (await ada.publish(draft())).is(201).article.slug;
  });

  const add = async (who: Actor, body: string) => (await who.comment(slug, body)).is(201).comment;
  const idsOf = async (reader: Actor) => (await reader.comments(slug)).is(200).comments.map(({ id }) => id);

  describe('a comment', () => {
    it('is what was sent, by its author, and read by everybody at once', async () => {
      const comment = await add(bob, 'Straw lasts *longer*.');
      expect(comment).toEqual({
        id: 1,
        body: 'Straw lasts *longer*.',
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        updatedAt: comment.createdAt,
        author: { username: bob.name, bio: null, image: null, following: false },
      });
      for (const reader of [conduit.anonymous(), ada, bob]) {
        expect((await reader.comments(slug)).is(200).comments).toEqual([comment]);
      }
    });

    it('is numbered within its article, and a number is not given twice', async () => {
      const ids = [];
      for (const body of ['one', 'two', 'three']) ids.push((await add(bob, body)).id);
      expect(ids).toEqual([1, 2, 3]);
      (await bob.removeComment(slug, 3)).is(204);
      expect((await add(ada, 'four')).id).toBe(4);
      const other = (await ada.publish(draft())).is(201).article.slug;
      expect((await bob.comment(other, 'one')).is(201).comment.id).toBe(1);
    });

    it('has a number of its own under parallel comments', async () => {
      const comments = await Promise.all(
        Array.from({ length: 20 }, (_, index) => add(bob, `number ${index}`)),
      );
      expect(new Set(comments.map(({ id }) => id)).size).toBe(20);
      expect(await idsOf(visitor)).toHaveLength(20);
    });

    it.each([
      ['blank', '', ["can't be blank"]],
      ['blank', ' \t', ["can't be blank"]],
      ['null', null, ["can't be blank"]],
      ['absent', undefined, ["can't be blank"]],
    ])('is refused with a body that is %s', async (_, body, message) => {
      expect((await bob.comment(slug, body)).is(422).errors).toEqual({ body: message });
      expect(await idsOf(visitor)).toEqual([]);
    });

    it.each([[7], [['x']], [{ x: 1 }], [true]])('is refused with %j for a body', async (body) => {
      expect(Object.keys((await bob.comment(slug, body)).is(422).errors)).toEqual(['body']);
    });

    it('needs a token, and an article', async () => {
      expect((await visitor.comment(slug, 'Anonymous')).is(401).errors).toEqual({ token: ['is missing'] });
      const nowhere = `${slug}x`;
      for (const answer of [await bob.comment(nowhere, 'Where?'), await bob.comments(nowhere)]) {
        expect(answer.is(404).errors).toEqual({ article: ['not found'] });
      }
    });
  });

  describe('a deletion of a comment', () => {
    it('takes that comment from everybody at once, and no other', async () => {
      const [first, second] = [await add(bob, 'one'), await add(bob, 'two')];
      expect((await bob.removeComment(slug, first.id)).is(204).text).toBe('');
      for (const reader of [conduit.anonymous(), ada, bob]) expect(await idsOf(reader)).toEqual([second.id]);
      expect((await bob.removeComment(slug, first.id)).is(404).errors).toEqual({ comment: ['not found'] });
    });

    it('is for the author of the comment alone, not even of the article', async () => {
      const { id } = await add(bob, 'Mine.');
      expect((await ada.removeComment(slug, id)).is(403).errors).toEqual({ comment: ['forbidden'] });
      expect((await visitor.removeComment(slug, id)).is(401).errors).toEqual({ token: ['is missing'] });
      expect(await idsOf(visitor)).toEqual([id]);
    });

    it('takes an empty body that says it is JSON', async () => {
      const { id } = await add(bob, 'one');
      const headers = { 'content-type': 'application/json' };
      expect((await bob.ask('DeleteArticleComment', { path: { slug, id }, headers })).status).toBe(204);
    });

    it('does not reach into another article', async () => {
      const other = (await ada.publish(draft())).is(201).article.slug;
      await add(bob, 'one');
      const { id } = await add(bob, 'two');
      expect((await bob.removeComment(other, id)).is(404).errors).toEqual({ comment: ['not found'] });
      expect(await idsOf(visitor)).toHaveLength(2);
    });

    it.each([
      '0',
      '-1',
      '2147483648',
      '9007199254740991',
      '9007199254740993',
      '9'.repeat(40),
      '1.5',
      'x',
      '1e3',
    ])('of number %s finds none, or says the number is bad', async (id) => {
      await add(bob, 'one');
      const answer = await bob.removeComment(slug, id);
      expect([404, 422]).toContain(answer.status);
      expect(Object.keys(answer.errors)).toEqual([answer.status === 404 ? 'comment' : 'id']);
      expect(await idsOf(visitor)).toEqual([1]);
    });

    it('says that the article is not found where that is so', async () => {
      expect((await bob.removeComment(`${slug}x`, 1)).is(404).errors).toEqual({ article: ['not found'] });
    });
  });
}
