import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newId } from '@rookery/kernel';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { decodeCursor, encodeCursor } from './cursor.js';
import { planOrder, type OrderPlan } from './order-plan.js';

@Entity('leaf')
class Leaf {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') title!: string;
  @Column('int') size!: number;
  @Column('timestamptz', { nullable: true }) at!: Date | null;
}

@Entity('other_leaf')
class OtherLeaf {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') title!: string;
}

class Mapped extends DataSource {
  load(): Promise<void> {
    return this.buildMetadatas();
  }
}

const source = new Mapped({ type: 'postgres', entities: [Leaf, OtherLeaf] });
let plan: OrderPlan;
beforeAll(async () => {
  await source.load();
  plan = planOrder(source.getMetadata(Leaf), { title: 'ASC', size: 'DESC', at: 'ASC' }, 'e');
});
const refused = expect.objectContaining({ code: 'RK_SHARDING_BAD_CURSOR', status: 400 }) as unknown as Error;

describe('a cursor', () => {
  it('brings back the very keys it was made of', () => {
    const keys = fc.tuple(
      fc.string({ unit: 'binary' }).filter((text) => !text.includes('\u0000')),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(String),
      fc.option(fc.constantFrom('2026-01-01 00:00:00.000001+00', '0044-03-15 00:00:00+00 BC', 'infinity')),
      fc.constantFrom(newId(1), newId(2)),
    );
    fc.assert(
      fc.property(keys, (given) => {
        const cursor = encodeCursor(plan, given);
        expect(cursor).toMatch(/^[\w-]+$/);
        expect(decodeCursor(plan, cursor)).toEqual(given);
      }),
    );
  });

  it('belongs to one order of one entity', () => {
    const id = newId(1);
    const leaf = source.getMetadata(Leaf);
    const up = planOrder(leaf, { title: 'ASC' }, 'e');
    const cursor = encodeCursor(up, ['a', id]);
    expect(decodeCursor(planOrder(leaf, { title: 'ASC', id: 'ASC' }, 'e'), cursor)).toEqual(['a', id]);
    for (const other of [
      planOrder(leaf, { title: 'DESC' }, 'e'),
      planOrder(leaf, { title: 'ASC', id: 'DESC' }, 'e'),
      planOrder(source.getMetadata(OtherLeaf), { title: 'ASC' }, 'e'),
    ]) {
      expect(() => decodeCursor(other, cursor)).toThrow(refused);
    }
  });

  it('is refused when anything in it was changed', () => {
    const good = encodeCursor(plan, ['title', '7', null, newId(1)]);
    const mutation = fc.tuple(fc.nat({ max: good.length - 1 }), fc.string({ unit: 'binary', maxLength: 2 }));
    fc.assert(
      fc.property(mutation, ([at, text]) => {
        const cursor = good.slice(0, at) + text + good.slice(at + 1);
        try {
          const keys = decodeCursor(plan, cursor);
          // What still passes must be something this order could have made.
          expect(encodeCursor(plan, keys)).toBe(cursor);
        } catch (error) {
          expect(error).toEqual(refused);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['too few keys', ['a', '1', null]],
    ['a number for a text', [1, '1', null, newId(1)]],
    ['an object', [{}, '1', null, newId(1)]],
    ['NULL where there is none', [null, '1', null, newId(1)]],
    ['U+0000', ['a\u0000', '1', null, newId(1)]],
    ['half a surrogate pair', ['\ud800', '1', null, newId(1)]],
    ['no integer', ['a', '1.5', null, newId(1)]],
    ['an integer too large', ['a', '2147483648', null, newId(1)]],
    ['no date', ['a', '1', '2026-02-30 00:00:00+00', newId(1)]],
    ['no timestamp', ['a', '1', '2026-02-03', newId(1)]],
    ['a year too far', ['a', '1', '294277-01-01 00:00:00+00', newId(1)]],
    ['no uuid', ['a', '1', null, "' OR true --"]],
  ])('is refused with %s in it', (_, keys) => {
    const cursor = Buffer.from(JSON.stringify([plan.fingerprint, keys])).toString('base64url');
    expect(() => decodeCursor(plan, cursor)).toThrow(refused);
  });

  it.each([
    ['nothing', ''],
    ['padding', 'e30='],
    ['another alphabet', 'a+/b'],
    ['an object', Buffer.from('{"__proto__":1}').toString('base64url')],
    ['deep nesting', Buffer.from('['.repeat(100_000)).toString('base64url')],
    ['bytes that are no text', Buffer.from([0xff, 0xfe]).toString('base64url')],
  ])('is refused when it is %s', (_, cursor) => {
    expect(() => decodeCursor(plan, cursor)).toThrow(refused);
  });
});
