import type { Actor, Member } from '../support/actor.js';
import type { Answer } from '../support/answer.js';
import { draft, useConduit } from '../support/conduit.js';
import { closeShards, openShards } from '../support/footprint.js';
import { discrepancies, idOfArticle, rowsWith } from '../support/leftovers.js';
import { shardUrlsOf } from '../support/site.js';
import { until } from '../support/until.js';

const conduit = useConduit();
let ada: Member;
let bob: Member;
let visitor: Actor;
/** People who do nothing but follow, favorite and comment. */
let crowd: Member[];
const CROWD = 50;

beforeAll(async () => {
  [ada, bob] = (await conduit.cast('ada', 'bob')) as [Member, Member];
  visitor = conduit.anonymous();
  crowd = await conduit.cast(...Array.from({ length: CROWD }, (_, index) => `c${index}x`));
}, 120_000);

/** After each test nothing may be left that does not add up, on any shard. */
afterEach(async () => {
  expect(await discrepancies(shardUrlsOf(conduit.site))).toEqual([]);
});

const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

function statusesOf(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

const publish = async (author: Member, over = {}) => (await author.publish(draft(over))).is(201).article.slug;

describe('parallel registrations', () => {
  it('of one username: one gets it, ninety-nine are told it is taken', async () => {
    const username = conduit.unique('wanted');
    const emails = Array.from({ length: 100 }, () => `${conduit.unique('e')}@example.com`);
    const answers = await times(100, (index) =>
      visitor.register({ username, email: emails[index], password: `password ${index}` }),
    );
    expect(statusesOf(answers)).toEqual({ 201: 1, 409: 99 });
    for (const answer of answers.filter(({ status }) => status === 409)) {
      expect(answer.errors).toEqual({ username: ['has already been taken'] });
    }
    const winner = answers.findIndex(({ status }) => status === 201);
    expect((await visitor.profile(username)).is(200).profile.username).toBe(username);
    const login = await visitor.login({ email: emails[winner], password: `password ${winner}` });
    expect(login.is(200).user.username).toBe(username);
    // The address of one that lost is free: nothing of its attempt is left.
    const email = emails.find((_, index) => index !== winner);
    const second = await visitor.register({
      username: conduit.unique('second'),
      email,
      password: 'password',
    });
    expect(second.status).toBe(201);
  });

  it('of one e-mail: one gets it, ninety-nine are told it is taken', async () => {
    const email = `${conduit.unique('wanted')}@example.com`;
    const names = Array.from({ length: 100 }, () => conduit.unique('n'));
    const answers = await times(100, (index) =>
      visitor.register({ username: names[index], email, password: 'password' }),
    );
    expect(statusesOf(answers)).toEqual({ 201: 1, 409: 99 });
    for (const answer of answers.filter(({ status }) => status === 409)) {
      expect(answer.errors).toEqual({ email: ['has already been taken'] });
    }
    const winner = names[answers.findIndex(({ status }) => status === 201)]!;
    const profiles = await Promise.all(names.map((name) => visitor.profile(name)));
    expect(names.filter((_, index) => profiles[index]!.status === 200)).toEqual([winner]);
  });
});

describe('parallel favorites', () => {
  it('of one viewer count once', async () => {
    const slug = await publish(ada);
    const answers = await times(30, () => bob.favorite(slug));
    expect(statusesOf(answers)).toEqual({ 200: 30 });
    for (const { article } of answers) expect([article.favorited, article.favoritesCount]).toEqual([true, 1]);
    expect((await visitor.article(slug)).is(200).article.favoritesCount).toBe(1);
    expect(statusesOf(await times(30, () => bob.unfavorite(slug)))).toEqual({ 200: 30 });
    expect((await visitor.article(slug)).is(200).article.favoritesCount).toBe(0);
  });

  it('of fifty viewers count fifty', async () => {
    const slug = await publish(ada);
    expect(statusesOf(await Promise.all(crowd.map((one) => one.favorite(slug))))).toEqual({ 200: CROWD });
    const { article } = (await visitor.article(slug)).is(200);
    expect(article.favoritesCount).toBe(CROWD);
    expect((await visitor.articles({ author: ada.name, limit: 1 })).is(200).articles[0]?.favoritesCount).toBe(
      CROWD,
    );
    for (const one of crowd) {
      expect((await one.articles({ favorited: one.name })).is(200).slugs).toContain(slug);
    }
  });

  it('and their opposites, mixed, leave exactly those whose last word was yes', async () => {
    const slug = await publish(ada);
    await Promise.all(
      crowd.map(async (one, index) => {
        (await one.favorite(slug)).is(200);
        if (index % 2 === 0) (await one.unfavorite(slug)).is(200);
        if (index % 4 === 0) (await one.favorite(slug)).is(200);
      }),
    );
    const kept = crowd.filter((_, index) => index % 2 === 1 || index % 4 === 0);
    expect((await visitor.article(slug)).is(200).article.favoritesCount).toBe(kept.length);
    for (const one of crowd) {
      expect((await one.article(slug)).is(200).article.favorited).toBe(kept.includes(one));
    }
  });
});

describe('parallel renames', () => {
  it('of two people to each other’s names leave each with one name, and no name with two', async () => {
    const [one, other] = (await conduit.cast('one', 'other')) as [Member, Member];
    for (let round = 0; round < 10; round += 1) {
      const [first, second] = [
        (await one.me()).is(200).user.username,
        (await other.me()).is(200).user.username,
      ];
      expect(first).not.toBe(second);
      const answers = await Promise.all([
        one.updateMe({ username: second }),
        other.updateMe({ username: first }),
      ]);
      // Each name is held while the other is asked for, so neither gets it.
      expect(statusesOf(answers)).toEqual({ 422: 2 });
      for (const { errors } of answers) expect(errors).toEqual({ username: ['has already been taken'] });
    }
    for (const person of [one, other]) {
      expect((await person.me()).is(200).user.username).toBe(person.name);
      expect((await visitor.profile(person.name)).is(200).profile.username).toBe(person.name);
    }
  });

  it('of a chain, each into the name the next gives up, lose nobody', async () => {
    const people = await conduit.cast('chain', 'chain', 'chain', 'chain');
    const free = conduit.unique('free');
    const targets = [...people.slice(1).map(({ name }) => name), free];
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(people.map((person, index) => person.updateMe({ username: targets[index] })));
      const names = await Promise.all(
        people.map(async (person) => (await person.me()).is(200).user.username),
      );
      expect(new Set(names).size).toBe(people.length);
      for (const [index, name] of names.entries()) {
        expect((await people[index]!.profile(name)).is(200).profile.username).toBe(name);
      }
      const profiles = await Promise.all(
        [...people.map(({ name }) => name), free].map((name) => visitor.profile(name)),
      );
      expect(profiles.filter(({ status }) => status === 200)).toHaveLength(people.length);
    }
  });

  it('of one person to many names leave one of them, and free the others', async () => {
    const person = await conduit.someone('fickle');
    const wanted = Array.from({ length: 10 }, () => conduit.unique('fickle'));
    const answers = await Promise.all(wanted.map((username) => person.updateMe({ username })));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    const { username } = (await person.me()).is(200).user;
    const profiles = await Promise.all([person.name, ...wanted].map((name) => visitor.profile(name)));
    const found = profiles.filter(({ status }) => status === 200).map(({ profile }) => profile.username);
    expect(found).toEqual([username]);
    const free = wanted.filter((name) => name !== username).slice(0, 3);
    for (const name of free) {
      const again = { username: name, email: `${conduit.unique('f')}@example.com`, password: 'password' };
      expect((await visitor.register(again)).status).toBe(201);
    }
  });
});

describe('an article that is deleted while others comment on it and favorite it', () => {
  it('leaves nothing of itself on any shard, and every count exact', async () => {
    const clients = await openShards(shardUrlsOf(conduit.site));
    try {
      for (let round = 0; round < 4; round += 1) {
        const tag = conduit.unique('tag');
        const slug = await publish(ada, { tagList: [tag] });
        const id = await idOfArticle(clients, slug);
        expect(await rowsWith(clients, id)).not.toEqual([]);
        const count = (await visitor.articles({ author: ada.name })).is(200).articlesCount;
        const busy = crowd.slice(0, 20);
        const answers = await Promise.all([
          ...busy.map((one) => one.favorite(slug)),
          ...busy.map((one) => one.comment(slug, 'In time?')),
          ada.edit(slug, { tagList: [`${tag}x`, tag] }),
          ada.remove(slug),
          ...busy.map((one) => one.unfavorite(slug)),
          ...busy.map((one) => one.comment(slug, 'Too late?')),
        ]);
        const allowed = new Set([200, 201, 204, 404]);
        expect(
          answers.filter(({ status }) => !allowed.has(status)).map((answer) => answer.describe()),
        ).toEqual([]);
        expect((await visitor.article(slug)).status).toBe(404);
        expect((await visitor.comments(slug)).status).toBe(404);
        expect((await visitor.tags()).is(200).tags.filter((one) => one.startsWith(tag))).toEqual([]);
        expect((await visitor.articles({ tag })).is(200).articlesCount).toBe(0);
        expect((await visitor.articles({ author: ada.name })).is(200).articlesCount).toBe(count - 1);
        for (const one of busy.slice(0, 5)) {
          const favorites = (await visitor.articles({ favorited: one.name })).is(200);
          expect(favorites.slugs).not.toContain(slug);
          expect(favorites.articlesCount).toBe(favorites.slugs.length);
        }
        await until('nothing of it is left', async () => (await rowsWith(clients, id)).length === 0);
      }
    } finally {
      await closeShards(clients);
    }
  });

  it('is deleted once, however often that is asked', async () => {
    const slug = await publish(ada);
    const before = (await visitor.articles({ author: ada.name })).is(200).articlesCount;
    expect(statusesOf(await times(10, () => ada.remove(slug)))).toEqual({ 204: 1, 404: 9 });
    expect((await visitor.articles({ author: ada.name })).is(200).articlesCount).toBe(before - 1);
  });
});

describe('parallel work on articles', () => {
  it('of one author counts each', async () => {
    const author = await conduit.someone('busy');
    const slugs = await times(40, () => publish(author));
    await Promise.all(slugs.slice(0, 15).map(async (slug) => (await author.remove(slug)).is(204)));
    const listed = (await visitor.articles({ author: author.name, limit: 100 })).is(200);
    expect(listed.articlesCount).toBe(25);
    expect(new Set(listed.slugs)).toEqual(new Set(slugs.slice(15)));
  });

  it('by many authors under one tag counts each', async () => {
    const tag = conduit.unique('tag');
    await Promise.all(crowd.map((one) => publish(one, { tagList: [tag] })));
    const listed = (await visitor.articles({ tag, limit: 100 })).is(200);
    expect([listed.articlesCount, new Set(listed.slugs).size]).toEqual([CROWD, CROWD]);
    await Promise.all(
      listed.slugs.slice(0, 20).map(async (slug) => {
        const owner = crowd.find(
          ({ name }) => name === listed.articles.find((one) => one.slug === slug)?.author.username,
        );
        (await owner!.edit(slug, { tagList: [] })).is(200);
      }),
    );
    expect((await visitor.articles({ tag })).is(200).articlesCount).toBe(CROWD - 20);
  });

  it('retitles one article to one slug at a time', async () => {
    const slug = await publish(ada, { title: 'Contended' });
    const answers = await times(10, (index) => ada.edit(slug, { title: `Contended ${index}` }));
    const allowed = new Set([200, 404]);
    expect(answers.filter(({ status }) => !allowed.has(status)).map((answer) => answer.describe())).toEqual(
      [],
    );
    const slugs = answers.filter(({ status }) => status === 200).map(({ article }) => article.slug);
    const found = await Promise.all([slug, ...slugs].map((one) => visitor.article(one)));
    expect(
      new Set(found.filter(({ status }) => status === 200).map(({ article }) => article.slug)).size,
    ).toBe(1);
  });
});

describe('parallel follows', () => {
  it('and their opposites leave the last word of each', async () => {
    await Promise.all(
      crowd.slice(0, 20).map(async (one, index) => {
        expect(statusesOf(await times(5, () => one.follow(bob.name)))).toEqual({ 200: 5 });
        if (index % 2 === 0)
          expect(statusesOf(await times(5, () => one.unfollow(bob.name)))).toEqual({ 200: 5 });
      }),
    );
    for (const [index, one] of crowd.slice(0, 20).entries()) {
      expect((await one.profile(bob.name)).is(200).profile.following).toBe(index % 2 === 1);
    }
  });
});
