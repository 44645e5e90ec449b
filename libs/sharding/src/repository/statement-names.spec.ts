import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testDatabases } from '@rookery/devstack/testing';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { STEADY } from '../testing/time.js';
import { StatementNames } from './statement-names.js';

describe('names of statements made at run time', () => {
  it('are given to what is asked for again, one text one name', () => {
    const names = new StatementNames('s', 10, 3);
    expect(['a', 'b', 'a', 'a', 'a', 'b', 'b'].map((text) => names.nameOf(text))).toEqual([
      ...[undefined, undefined, undefined, 's.0', 's.0'],
      ...[undefined, 's.1'],
    ]);
  });

  it('are never more than the bound, whatever clients ask for, and never change their text', () => {
    const names = new StatementNames('s', 5, 2);
    const given = new Map<string, string>();
    for (let i = 0; i < 10_000; i++) {
      const text = `SELECT ${i % 7 === 0 ? i : i % 7}`;
      const name = names.nameOf(text);
      if (name === undefined) continue;
      expect(given.get(name) ?? text).toBe(text);
      given.set(name, text);
    }
    expect(given.size).toBe(5);
  });

  it('are not wasted on what comes once', () => {
    const names = new StatementNames('s', 2, 2);
    for (let i = 0; i < 100; i++) names.nameOf(`once ${i}`);
    names.nameOf('often');
    expect(names.nameOf('often')).toBe('s.0');
  });
});

describe('a server', () => {
  let all: TestShards;
  beforeAll(async () => {
    all = await testShards({ databases: testDatabases, count: 1, poolMax: 1, ...STEADY });
  }, 60_000);
  afterAll(() => all.close());

  it('keeps no more prepared statements than there are names', async () => {
    const names = new StatementNames('s', 5, 2);
    for (let i = 0; i < 60; i++) {
      const text = `SELECT ${i % 20}::int`;
      await all.shards.queryShard('s1', { text, name: names.nameOf(text) });
    }
    const [row] = await all.shards.queryShard<{ n: number }>('s1', {
      text: `SELECT count(*)::int AS n FROM pg_prepared_statements WHERE name LIKE 's.%'`,
    });
    expect(row).toEqual({ n: 5 });
  });
});
