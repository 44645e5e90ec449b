import type { Actor, Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';

export function usersSuite(): void {
  const conduit = useConduit();
  let ada: Member;
  let visitor: Actor;

  const BLANK = ["can't be blank"];
  const TAKEN = ['has already been taken'];

  beforeAll(async () => {
    ada = await conduit.someone('ada');
    visitor = conduit.anonymous();
  });

  /** What nobody has registered with yet. */
  function newcomer(over: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const username = conduit.unique('newcomer');
    return { username, email: `${username}@example.com`, password: 'a new password', ...over };
  }

  describe('registration', () => {
    it('gives a user without bio and image, whose token is good at once', async () => {
      const wanted = newcomer();
      const { user } = (await visitor.register(wanted)).is(201);
      expect(user).toEqual({
        username: wanted['username'],
        email: wanted['email'],
        bio: null,
        image: null,
        token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      });
      const { user: me } = (await conduit.anonymous().with(`Token ${user.token}`).me()).is(200);
      expect(me.username).toBe(user.username);
      expect((await visitor.profile(user.username)).is(200).profile.following).toBe(false);
    });

    it('takes no more from a client than the fields it names', async () => {
      const wanted = newcomer({
        bio: 'Sneaked in',
        image: 'http://a/b.png',
        id: 1,
        token: 'mine',
        role: 'admin',
      });
      const { user } = (await visitor.register(wanted)).is(201);
      expect([user.bio, user.image]).toEqual([null, null]);
      expect(user.token).not.toBe('mine');
    });

    it.each(['username', 'email', 'password'])(
      'refuses a %s that is blank, null or absent',
      async (field) => {
        for (const value of ['', ' ', null, undefined]) {
          const { errors } = (await visitor.register(newcomer({ [field]: value }))).is(422);
          expect(errors).toEqual({ [field]: BLANK });
        }
      },
    );

    it.each(['username', 'email', 'password'])(
      'refuses a %s of another type, under its name',
      async (field) => {
        for (const value of [7, true, ['x'], { x: 1 }]) {
          const { errors } = (await visitor.register(newcomer({ [field]: value }))).is(422);
          expect(Object.keys(errors)).toEqual([field]);
        }
      },
    );

    it('refuses what is no e-mail address', async () => {
      const { errors } = (await visitor.register(newcomer({ email: 'not an address' }))).is(422);
      expect(Object.keys(errors)).toEqual(['email']);
    });

    it('names every field that is wrong', async () => {
      expect((await visitor.register({})).is(422).errors).toEqual({
        username: BLANK,
        email: BLANK,
        password: BLANK,
      });
    });

    it('refuses a username and an e-mail that are taken, each under its name', async () => {
      expect((await visitor.register(newcomer({ username: ada.name }))).is(409).errors).toEqual({
        username: TAKEN,
      });
      expect((await visitor.register(newcomer({ email: ada.user.email }))).is(409).errors).toEqual({
        email: TAKEN,
      });
    });

    it('keeps nothing of a registration that was refused: each of its values is still free', async () => {
      const free = newcomer();
      (await visitor.register({ ...free, email: ada.user.email })).is(409);
      (await visitor.register({ ...free, username: ada.name })).is(409);
      expect((await visitor.register(free)).is(201).user.username).toBe(free['username']);
    });

    it('takes passwords from 8 to 64 characters and more, whole', async () => {
      const short = (await visitor.register(newcomer({ password: '1234567' }))).is(422);
      expect(Object.keys(short.errors)).toEqual(['password']);
      const end = 'x'.repeat(79);
      for (const password of ['12345678', 'x'.repeat(64), `${end}y`]) {
        const { user } = (await visitor.register(newcomer({ password }))).is(201);
        expect((await visitor.login({ email: user.email, password })).status).toBe(200);
        const other = `${password.slice(0, -1)}z`;
        expect((await visitor.login({ email: user.email, password: other })).status).toBe(401);
      }
    });
  });

  describe('login', () => {
    it('gives the user with a token', async () => {
      const { user } = (await visitor.login({ email: ada.user.email, password: ada.password })).is(200);
      expect({ ...user, token: '' }).toEqual({ ...ada.user, token: '' });
      expect((await visitor.with(`Token ${user.token}`).me()).is(200).user.email).toBe(ada.user.email);
    });

    it('says the same of a wrong password and of an address nobody has', async () => {
      const wrong = [
        { email: ada.user.email, password: 'not the password' },
        { email: `${conduit.unique('nobody')}@example.com`, password: ada.password },
      ];
      for (const credentials of wrong) {
        expect((await visitor.login(credentials)).is(401).errors).toEqual({ credentials: ['invalid'] });
      }
    });

    it.each(['email', 'password'])('refuses a %s that is blank', async (field) => {
      const credentials = { email: ada.user.email, password: ada.password };
      for (const value of ['', null, undefined]) {
        const { errors } = (await visitor.login({ ...credentials, [field]: value })).is(422);
        expect(errors).toEqual({ [field]: BLANK });
      }
    });
  });

  describe('an e-mail address', () => {
    it('is one whatever its case: nobody else can take it, and its owner gets in by either', async () => {
      const shouted = ada.user.email.toUpperCase();
      expect((await visitor.register(newcomer({ email: shouted }))).is(409).errors).toEqual({ email: TAKEN });
      const { user } = (await visitor.login({ email: shouted, password: ada.password })).is(200);
      expect(user.username).toBe(ada.name);
    });
  });

  describe('the token', () => {
    it('may be announced as Token or as Bearer', async () => {
      for (const scheme of ['Token', 'Bearer']) {
        const { user } = (await visitor.with(`${scheme} ${ada.user.token}`).me()).is(200);
        expect(user.username).toBe(ada.name);
      }
    });

    it.each([
      '',
      'Token',
      'Token ',
      'Token x',
      'Basic YTpi',
      'Token a.b.c',
      'Bearer eyJhbGciOiJub25lIn0.e30.',
    ])('is refused as %p where it is needed, and ignored where it is not', async (authorization) => {
      const somebody = visitor.with(authorization);
      expect(Object.keys((await somebody.me()).is(401).errors)).toEqual(['token']);
      expect((await somebody.articles({ limit: 1 })).status).toBe(200);
      expect((await somebody.profile(ada.name)).is(200).profile.following).toBe(false);
    });

    it('is missed by exactly these words', async () => {
      expect((await visitor.me()).is(401).errors).toEqual({ token: ['is missing'] });
    });
  });

  describe('an update of oneself', () => {
    it('changes what is sent, keeps what is not, and shows it to everybody at once', async () => {
      const eve = await conduit.someone('eve');
      const { user } = (await eve.updateMe({ bio: 'Listens.', image: 'https://example.com/eve.png' })).is(
        200,
      );
      expect({ ...user, token: '' }).toEqual({
        ...eve.user,
        bio: 'Listens.',
        image: 'https://example.com/eve.png',
        token: '',
      });
      for (const reader of [conduit.anonymous(), ada, eve]) {
        const { profile } = (await reader.profile(eve.name)).is(200);
        expect([profile.bio, profile.image]).toEqual(['Listens.', 'https://example.com/eve.png']);
      }
      expect((await eve.updateMe({ bio: 'Still listens.' })).is(200).user.image).toBe(
        'https://example.com/eve.png',
      );
    });

    it.each(['', null])('empties bio and image by %p', async (nothing) => {
      const eve = await conduit.someone('eve');
      (await eve.updateMe({ bio: 'Listens.', image: 'https://example.com/eve.png' })).is(200);
      const { user } = (await eve.updateMe({ bio: nothing, image: nothing })).is(200);
      expect([user.bio, user.image]).toEqual([null, null]);
      const { profile } = (await visitor.profile(eve.name)).is(200);
      expect([profile.bio, profile.image]).toEqual([null, null]);
    });

    it.each(['username', 'email', 'password'])(
      'refuses a %s that is empty or null, and keeps it',
      async (field) => {
        for (const value of ['', null]) {
          const { errors } = (await ada.updateMe({ [field]: value, bio: 'Half-written' })).is(422);
          expect(errors).toEqual({ [field]: BLANK });
        }
        expect((await ada.me()).is(200).user.bio).not.toBe('Half-written');
        expect((await visitor.login({ email: ada.user.email, password: ada.password })).status).toBe(200);
      },
    );

    it('refuses a password that is too short', async () => {
      expect(Object.keys((await ada.updateMe({ password: '1234567' })).is(422).errors)).toEqual(['password']);
    });

    it('lets in by the new password and the new address only', async () => {
      const eve = await conduit.someone('eve');
      const [email, password] = [`${conduit.unique('eve')}@example.com`, 'another password'];
      expect((await eve.updateMe({ email, password })).is(200).user.email).toBe(email);
      const statusOf = async (credentials: unknown) => (await visitor.login(credentials)).status;
      expect(await statusOf({ email, password })).toBe(200);
      expect(await statusOf({ email, password: eve.password })).toBe(401);
      expect(await statusOf({ email: eve.user.email, password })).toBe(401);
    });

    it('refuses a username and an e-mail that are taken, and writes nothing of the rest', async () => {
      const eve = await conduit.someone('eve');
      for (const [field, value] of [
        ['username', ada.name],
        ['email', ada.user.email],
      ] as const) {
        const { errors } = (await eve.updateMe({ [field]: value, bio: 'Half-written' })).is(422);
        expect(errors).toEqual({ [field]: TAKEN });
      }
      expect((await eve.me()).is(200).user).toMatchObject({
        username: eve.name,
        email: eve.user.email,
        bio: null,
      });
    });

    it('takes the username and the e-mail one already has', async () => {
      const { user } = (await ada.updateMe({ username: ada.name, email: ada.user.email })).is(200);
      expect([user.username, user.email]).toEqual([ada.name, ada.user.email]);
    });

    it('ignores fields that are not its own', async () => {
      const { user } = (await ada.updateMe({ id: 1, token: 'mine', following: true, bio: 'Counts.' })).is(
        200,
      );
      expect([user.username, user.bio]).toEqual([ada.name, 'Counts.']);
      expect(user.token).not.toBe('mine');
    });
  });

  describe('a new username', () => {
    it('is shown wherever the person is, and the old one is nobody', async () => {
      const [eve, mallory] = (await conduit.cast('eve', 'mallory')) as [Member, Member];
      const tag = conduit.unique('tag');
      const { slug } = (await eve.publish(draft({ tagList: [tag] }))).is(201).article;
      (await eve.comment(slug, 'First.')).is(201);
      (await mallory.follow(eve.name)).is(200);
      const renamed = conduit.unique('eve');
      expect((await eve.updateMe({ username: renamed })).is(200).user.username).toBe(renamed);

      for (const reader of [conduit.anonymous(), mallory, eve]) {
        expect((await reader.profile(eve.name)).is(404).errors).toEqual({ profile: ['not found'] });
        expect((await reader.profile(renamed)).is(200).profile.following).toBe(reader === mallory);
        expect((await reader.article(slug)).is(200).article.author.username).toBe(renamed);
        const { comments } = (await reader.comments(slug)).is(200);
        expect(comments.map(({ author }) => author.username)).toEqual([renamed]);
        const listed = (await reader.articles({ author: renamed })).is(200);
        expect([listed.slugs, listed.articlesCount]).toEqual([[slug], 1]);
        expect(listed.articles[0]?.author.username).toBe(renamed);
        expect((await reader.articles({ author: eve.name })).is(200).articlesCount).toBe(0);
        expect((await reader.articles({ tag })).is(200).articles[0]?.author.username).toBe(renamed);
      }
      expect((await mallory.feed()).is(200).articles[0]?.author.username).toBe(renamed);
      expect((await eve.me()).is(200).user.username).toBe(renamed);
      expect((await visitor.register(newcomer({ username: eve.name }))).status).toBe(201);
    });
  });

  describe('a user whose name is not plain ASCII', () => {
    it.each(['🐦 nest', 'مستخدم', 'żółw', 'a b+c%2F', "O'Neill", '你好'])('is found as %s', async (stem) => {
      const username = `${conduit.unique('u')}${stem}`;
      const answer = await visitor.register(newcomer({ username }));
      if (answer.status === 422) expect(Object.keys(answer.errors)).toEqual(['username']);
      else
        expect((await visitor.profile(username)).is(200).profile.username).toBe(answer.is(201).user.username);
    });
  });
}
