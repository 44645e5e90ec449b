import { newId, SLOT_COUNT, slotOfId } from '@rookery/kernel';
import fc from 'fast-check';
import { placeOfSlug, slugOf } from './slug.js';

describe('the slug of an article', () => {
  const id = newId(1234, 1_700_000_000_000);

  it.each([
    ['How to train your dragon', /^how-to-train-your-dragon-[0-9a-z]{12}$/],
    ['  Crème brûlée!  ', /^creme-brulee-[0-9a-z]{12}$/],
    ['日本語', /^[0-9a-z]{12}$/],
    ['🐉🐉', /^[0-9a-z]{12}$/],
    ['---', /^[0-9a-z]{12}$/],
    [`${'long '.repeat(100)}`, /^(long-){20}[0-9a-z]{12}$/],
  ])('of %j matches %s', (title, form) => {
    expect(slugOf(title, id)).toMatch(form);
  });

  it('routes itself, whatever the title', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.integer({ min: 0, max: SLOT_COUNT - 1 }),
        (title, slot) => {
          const made = newId(slot);
          expect(placeOfSlug(slugOf(title, made))).toEqual({ slot: slotOfId(made) });
        },
      ),
    );
  });

  it('keeps its suffix when the title changes', () => {
    expect(slugOf('one', id).slice(-12)).toBe(slugOf('two', id).slice(-12));
  });

  it.each([
    '',
    'a',
    'no-code-here',
    'title-ABCDEFGHJKMN',
    'titleaheca8h89rns',
    `-${'0'.repeat(11)}u`,
    `${'x'.repeat(200)}-000000000000`,
  ])('is not %j', (text) => {
    expect(placeOfSlug(text)).toBeUndefined();
  });
});
