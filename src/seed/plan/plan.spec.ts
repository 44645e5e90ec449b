import { isId, slotOfId, timeOfId } from '@rookery/kernel';
import fc from 'fast-check';
import type { Package } from '../corpus/corpus.js';
import { DEMO } from '../corpus/people.js';
import { aliasOf, emailOf } from './accounts.js';
import { fixedId } from './fixed-id.js';
import { Plan } from './plan.js';

/** Forty packages by seven people: each depends on the two before it. */
const corpus: Package[] = Array.from({ length: 40 }, (_, i) => ({
  name: `pack-${i}`,
  version: '1.0.0',
  description: `Number ${i}`,
  readme: `# pack-${i}\n${'text '.repeat(500)}`,
  keywords: Array.from({ length: i % 9 }, (__, k) => `tag${k}`),
  author: `author${i % 7}`,
  dependencies: [i - 1, i - 2].filter((position) => position >= 0),
  dependents: [i + 1, i + 2].filter((position) => position < 40),
}));
const planOf = (articles: number, bodyLength = 100) => new Plan(corpus, { articles, bodyLength });
const all = (plan: Plan) => Array.from({ length: plan.articles }, (_, i) => plan.article(i));

describe('the plan', () => {
  it('writes the packages first, whole, and then repetitions of them', () => {
    const articles = all(planOf(80));
    expect(articles.slice(0, 40).map(({ body }) => body)).toEqual(corpus.map(({ readme }) => readme));
    expect(articles.slice(0, 40).map(({ tags }) => tags)).toEqual(corpus.map(({ keywords }) => keywords));
    expect(new Set(articles.slice(40).map(({ body }) => body.length))).toEqual(new Set([100]));
  });

  it('is the same however many articles are asked for, and at every run', () => {
    expect(all(planOf(3_000)).slice(0, 500)).toEqual(all(planOf(500)));
  });

  it('gives no author two articles of one title', () => {
    const articles = all(planOf(6_000));
    expect(new Set(articles.map(({ author, title }) => `${author} ${title}`)).size).toBe(6_000);
  });

  it('lies in the past, in order', () => {
    const times = all(planOf(2_000)).map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(planOf(20_000_000).article(19_999_999).at).toBeLessThan(Date.UTC(2026, 0, 2));
  });

  it('names only people who are in it, each once where once is meant', () => {
    const plan = planOf(4_000);
    const people = plan.people();
    const known = new Set(people);
    expect(known.size).toBe(people.length);
    expect(people[0]).toBe(DEMO);
    for (const { index, author, fans, comments } of all(plan)) {
      expect(plan.authorOf(index)).toBe(author);
      expect(new Set(fans).size).toBe(fans.length);
      expect(
        [author, ...fans, ...comments.map((comment) => comment.author)].filter((name) => !known.has(name)),
      ).toEqual([]);
    }
    for (const [follower, followed] of plan.follows()) {
      expect([follower, ...followed].filter((name) => !known.has(name))).toEqual([]);
      expect(followed).not.toContain(follower);
    }
  });

  it('lets those who depend on a package like it and speak of it, and demo like some', () => {
    const plan = planOf(1_000);
    expect(plan.article(3).fans).toEqual(expect.arrayContaining(['author4', 'author5']));
    const articles = all(plan);
    const commented = articles.reduce((sum, { comments }) => sum + comments.length, 0);
    const dependents = articles.reduce((sum, { index }) => sum + corpus[index % 40]!.dependents.length, 0);
    expect(commented / dependents).toBeGreaterThan(0.2);
    expect(commented / dependents).toBeLessThan(0.3);
    const liked = articles.filter(({ fans }) => fans.includes(DEMO)).length;
    expect(liked).toBeGreaterThan(20);
    expect(liked).toBeLessThan(70);
  });

  it('keeps tags of the package, each once, some of them in a repetition', () => {
    for (const { index, tags } of all(planOf(2_000))) {
      expect(new Set(tags).size).toBe(tags.length);
      expect(corpus[index % 40]!.keywords).toEqual(expect.arrayContaining([...tags]));
      if (index >= 40) expect(tags.length).toBeLessThanOrEqual(4);
    }
  });

  it('brings other people in after some rounds', () => {
    expect(planOf(40 * 32).people()).toHaveLength(8);
    expect(planOf(40 * 32 + 1).people()).toHaveLength(15);
    expect(planOf(40 * 32 + 1).authorOf(40 * 32)).toBe('author0~2');
  });
});

describe('ids that are the same at every run', () => {
  it('are ids, with the slot and the time they were given', () => {
    const word = fc.integer({ min: 0, max: 0xffff_ffff });
    const slot = fc.integer({ min: 0, max: 4095 });
    const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    fc.assert(
      fc.property(slot, time, word, word, (at, when, high, low) => {
        const id = fixedId(at, when, high, low);
        expect(isId(id)).toBe(true);
        expect(slotOfId(id)).toBe(at);
        expect(timeOfId(id)).toBe(when);
        expect(fixedId(at, when, high, low)).toBe(id);
      }),
    );
    expect(fixedId(1, 2, 3, 4)).not.toBe(fixedId(1, 2, 3, 5));
    expect(() => fixedId(4096, 0, 0, 0)).toThrow(/4096/);
  });
});

describe('addresses', () => {
  it('are addresses, and differ where names do, in case too', () => {
    const names = ['Ada', 'ada', '山田', 'a b', 'x~2', 'x~2~seed', 'Kevin-Mårtensson'];
    const emails = names.map((name) => emailOf(name).toLowerCase());
    expect(new Set(emails).size).toBe(names.length);
    for (const email of emails) expect(email).toMatch(/^[a-z0-9.-]+@example\.com$/);
    expect(emailOf(DEMO)).toBe('demo@example.com');
    expect(aliasOf('x')).not.toBe('x');
  });
});
