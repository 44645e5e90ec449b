import { setImmediate } from 'node:timers/promises';
import { Ambient } from './ambient.js';

describe('an ambient value', () => {
  const [colour, size] = [new Ambient<string>(), new Ambient<number>()];
  const seen = async () => {
    await setImmediate();
    return [colour.get(), size.get()];
  };

  it('is seen by all that the work calls, beside those of other ambients', async () => {
    let unawaited: Promise<unknown> | undefined;
    const inside = await size.run(1, () =>
      colour.run('red', () => {
        unawaited = seen();
        return seen();
      }),
    );
    expect(inside).toEqual(['red', 1]);
    expect(await unawaited).toEqual(['red', 1]);
    expect(await seen()).toEqual([undefined, undefined]);
  });

  it('is replaced inside, and there again outside, also where the work throws', async () => {
    await colour.run('red', async () => {
      expect(await Promise.all([colour.run('blue', seen), size.run(2, seen), seen()])).toEqual([
        ['blue', undefined],
        ['red', 2],
        ['red', undefined],
      ]);
      const failing = () => {
        throw new Error('of the work');
      };
      expect(() => colour.run('green', failing)).toThrow('of the work');
      expect(colour.get()).toBe('red');
    });
    expect(colour.get()).toBeUndefined();
  });
});
