import fc from 'fast-check';
import { OffsetPrefix } from './offset-prefix.js';

describe('the offset to commit', () => {
  it('is none while the first message is not dealt with, whatever came of the others', () => {
    const prefix = new OffsetPrefix();
    const [, second] = [prefix.take(5n), prefix.take(6n)];
    second();
    expect([prefix.next, prefix.size]).toEqual([undefined, 2]);
  });

  it('passes what is dealt with, and gaps', () => {
    const prefix = new OffsetPrefix();
    const done = [3n, 4n, 9n, 10n].map((offset) => prefix.take(offset));
    done[1]!();
    done[0]!();
    expect(prefix.next).toBe(5n);
    done[2]!();
    expect([prefix.next, prefix.size]).toEqual([10n, 1]);
  });

  it('never passes a message that is not dealt with, and passes all when all are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 29 }), { maxLength: 60 }), (order) => {
        const prefix = new OffsetPrefix();
        const done = Array.from({ length: 30 }, (_, i) => prefix.take(BigInt(i * 2)));
        const dealtWith = new Set<number>();
        for (const i of [...order, ...Array.from({ length: 30 }, (_, one) => one)]) {
          if (dealtWith.has(i)) continue;
          done[i]!();
          dealtWith.add(i);
          let run = 0;
          while (dealtWith.has(run)) run += 1;
          expect(prefix.next).toBe(run === 0 ? undefined : BigInt(run * 2 - 1));
        }
        expect(prefix.size).toBe(0);
      }),
    );
  });
});
