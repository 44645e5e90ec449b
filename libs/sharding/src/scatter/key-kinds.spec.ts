import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { keyKindOf } from './key-kinds.js';
import { testDatabases } from '@rookery/devstack/testing';
import { testShards, type TestShards } from '@rookery/sharding/testing';

let all: TestShards;
let client: pg.Client;
beforeAll(async () => {
  all = await testShards({ databases: testDatabases, count: 1, entities: [], migrations: [] });
  client = await all.client(0);
}, 60_000);
afterAll(() => all.close());

const digits = fc.stringMatching(/^-?\d{1,25}(\.\d{1,12})?$/);
const year = fc.constantFrom(
  '0001',
  '0004',
  '0100',
  '1900',
  '1970',
  '2000',
  '2026',
  '9999',
  '10000',
  '294276',
  '294277',
  '0000',
  '4713',
  '5874897',
  '5874898',
);
const two = fc.integer({ min: 0, max: 62 }).map((n) => String(n).padStart(2, '0'));
const date = fc
  .tuple(year, two, two, fc.constantFrom('', ' BC'))
  .map(([y, m, d, era]) => `${y}-${m}-${d}${era}`);
const moment = fc
  .tuple(
    year,
    two,
    two,
    two,
    two,
    two,
    fc.constantFrom('', '.5', '.000001', '.999999'),
    fc.constantFrom('', '+00', '-07', '+05:30', '-00:01:15', '+16'),
    fc.constantFrom('', ' BC'),
  )
  .map(([y, mo, d, h, mi, s, f, zone, era]) => `${y}-${mo}-${d} ${h}:${mi}:${s}${f}${zone}${era}`);
const LITERALS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  smallint: fc.oneof(fc.integer({ min: -40_000, max: 40_000 }).map(String), digits),
  integer: fc.oneof(
    fc.integer().map(String),
    fc.constantFrom('2147483647', '2147483648', '-2147483648', '-2147483649'),
    digits,
  ),
  bigint: fc.oneof(
    fc.bigInt({ min: -(2n ** 63n) - 2n, max: 2n ** 63n + 1n }).map(String),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 4n }).map(String),
    digits,
  ),
  numeric: fc.oneof(digits, fc.constantFrom('NaN', 'Infinity', '-Infinity', '0', '-0', '0.0', '00.10')),
  real: fc.oneof(
    fc.float().map(String),
    fc.double().map(String),
    fc.constantFrom('1e-45', '3.5e38', '1e-50'),
  ),
  'double precision': fc.oneof(
    fc.double().map(String),
    fc.constantFrom('1e308', '1e309', '5e-324', '1e-330'),
  ),
  text: fc.string({ unit: 'binary' }),
  uuid: fc.uuid(),
  boolean: fc.constantFrom('true', 'false'),
  date: fc.oneof(date, fc.constantFrom('infinity', '-infinity')),
  timestamp: fc.oneof(moment, fc.constantFrom('infinity', '-infinity')),
  timestamptz: fc.oneof(moment, fc.constantFrom('infinity', '-infinity')),
};

/** The exact text of a literal in a type; `undefined` if PostgreSQL refuses it. */
async function written(literal: string, type: string): Promise<string | undefined> {
  try {
    const { rows } = await client.query<{ text: string }>(`SELECT ($1::${type})::text AS text`, [literal]);
    return rows[0]!.text;
  } catch {
    return undefined;
  }
}

describe.each(Object.keys(LITERALS))('keys of type %s', (type) => {
  const { compare, valid, collation = '' } = keyKindOf(type)!;

  it('are ordered as PostgreSQL orders them', async () => {
    await fc.assert(
      fc.asyncProperty(LITERALS[type]!, LITERALS[type]!, async (one, two) => {
        const [a, b] = [await written(one, type), await written(two, type)];
        if (a === undefined || b === undefined) return;
        const { rows } = await client.query<{ order: number }>(
          `SELECT CASE WHEN a < b THEN -1 WHEN a > b THEN 1 ELSE 0 END AS order
           FROM (SELECT $1::${type}${collation} AS a, $2::${type}${collation} AS b) x`,
          [a, b],
        );
        expect(Math.sign(compare(a, b)) + 0).toBe(rows[0]!.order);
        expect([valid(a), valid(b)]).toEqual([true, true]);
      }),
      { numRuns: 120 },
    );
  });

  it('are valid only if PostgreSQL takes them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(LITERALS[type]!, fc.string()), async (literal) => {
        if (valid(literal)) expect(await written(literal, type)).toBeDefined();
      }),
      { numRuns: 120 },
    );
  });
});

it('there is no kind for types whose order PostgreSQL keeps to itself', () => {
  expect(['jsonb', 'citext', 'interval', 'char', 'constructor'].map(keyKindOf)).toEqual(
    Array.from({ length: 5 }, () => undefined),
  );
});
