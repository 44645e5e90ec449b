import { randomBytes } from 'node:crypto';
import { testDatabases } from '@rookery/devstack/testing';
import fc from 'fast-check';
import type pg from 'pg';
import { newId, SLOT_COUNT, slotOfId } from '@rookery/kernel';
import { testShards, type TestShards } from '../testing/test-shards.js';
import { hashtext } from './hashtext.js';
import { slotOfNaturalKey } from './slot.js';

/** Every length from 0 to 60 in each alphabet, then real-looking and random ones. */
function manyStrings(): string[] {
  const strings: string[] = [];
  for (const alphabet of ['a', 'é', '日', '🪺', '\u{10ffff}', 'ÿ\u0001']) {
    for (let length = 0; length <= 60; length++) strings.push(alphabet.repeat(length));
  }
  for (let length = 0; length <= 60; length++) {
    for (let i = 0; i < 300; i++)
      strings.push(
        randomBytes(60)
          .toString('base64')
          .slice(0, length - 1) + (length ? 'x' : ''),
      );
  }
  const unicode = fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => !text.includes('\u0000'));
  return [...strings, ...fc.sample(unicode, 3_000)];
}

describe('the hash of a natural key', () => {
  let cluster: TestShards;
  let client: pg.Client;
  beforeAll(async () => {
    cluster = await testShards({ databases: testDatabases, count: 1 });
    client = await cluster.client();
  }, 60_000);
  afterAll(() => cluster.close());

  it('is that of the server, for more than 20,000 strings of every length', async () => {
    const strings = manyStrings();
    expect(strings.length).toBeGreaterThan(20_000);
    const { rows } = await client.query<{ hash: number; slot: number }>(
      `SELECT hashtext(s) AS hash, rookery_slot_of_key(s) AS slot
       FROM unnest($1::text[]) WITH ORDINALITY x(s, o) ORDER BY o`,
      [strings],
    );
    const wrong = strings.filter(
      (text, i) => rows[i]!.hash !== hashtext(text) || rows[i]!.slot !== slotOfNaturalKey(text),
    );
    expect(wrong).toEqual([]);
  });

  it('fills the slots evenly', () => {
    const filled = new Array<number>(SLOT_COUNT).fill(0);
    for (let i = 0; i < 100_000; i++) filled[slotOfNaturalKey(`user-${i}`)]! += 1;
    // 24 each, give or take; a slot that a hash never reaches would stay empty.
    expect(Math.min(...filled)).toBeGreaterThan(2);
    expect(Math.max(...filled)).toBeLessThan(70);
  });

  it('leaves the slot of an id to the same place in SQL and here', async () => {
    const ids = Array.from({ length: SLOT_COUNT }, (_, slot) => newId(slot));
    const { rows } = await client.query<{ slot: number }>(
      'SELECT rookery_slot_of(id) AS slot FROM unnest($1::uuid[]) WITH ORDINALITY x(id, o) ORDER BY o',
      [ids],
    );
    expect(rows.map((row) => row.slot)).toEqual(ids.map(slotOfId));
  });

  it('lets SQL make ids in a slot that are ids here, of now', async () => {
    const { rows } = await client.query<{ id: string }>(
      `SELECT rookery_new_id(slot) AS id FROM generate_series(0, ${SLOT_COUNT - 1}) slot ORDER BY slot`,
    );
    expect(rows.map(({ id }) => slotOfId(id))).toEqual(rows.map((_, slot) => slot));
    await expect(client.query(`SELECT rookery_new_id(${SLOT_COUNT})`)).rejects.toMatchObject({
      code: '22023',
    });
    await expect(client.query('SELECT rookery_new_id(-1)')).rejects.toMatchObject({ code: '22023' });
  });
});
