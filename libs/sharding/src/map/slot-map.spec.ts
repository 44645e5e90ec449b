import fc from 'fast-check';
import { SLOT_COUNT } from '@rookery/kernel';
import { SlotMap, type OwnedSlot } from './slot-map.js';

const open = (slot: number, epoch = 1): OwnedSlot => ({ slot, epoch, state: 'open' });

describe('the slot map', () => {
  it('is what the shards say they own', () => {
    const map = new SlotMap();
    expect(map.unowned).toBe(SLOT_COUNT);
    map.replace('s1', [open(1), { slot: 2, epoch: 3, state: 'closed' }]);
    map.replace('s2', [open(9)]);
    expect(map.routeOf(2)).toEqual({ slot: 2, shard: 's1', epoch: 3, state: 'closed' });
    expect(map.slotsOf('s1').map(({ slot }) => slot)).toEqual([1, 2]);
    expect([...map.owners].sort()).toEqual(['s1', 's2']);
    expect(map.unowned).toBe(SLOT_COUNT - 3);
    map.replace('s1', [open(2)]);
    expect(map.routeOf(1)).toBeUndefined();
  });

  it('believes the higher epoch, in whatever order the shards are heard', () => {
    const said = fc.array(
      fc.record({ shard: fc.constantFrom('s1', 's2', 's3'), epoch: fc.integer({ min: 1, max: 20 }) }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(said, (all) => {
        const byShard = new Map<string, number>(all.map(({ shard, epoch }) => [shard, epoch]));
        const highest = Math.max(...byShard.values());
        fc.pre([...byShard.values()].filter((epoch) => epoch === highest).length === 1);
        const map = new SlotMap();
        for (const [shard, epoch] of byShard) map.replace(shard, [open(5, epoch)]);
        expect(map.routeOf(5)).toMatchObject({ epoch: highest });
        expect(byShard.get(map.routeOf(5)!.shard)).toBe(highest);
      }),
    );
  });

  it('takes from the published map only what no shard was heard about', () => {
    const map = new SlotMap();
    map.replace('s1', [open(1, 4)]);
    map.fillGaps([
      { slot: 1, shard: 's2', epoch: 9 },
      { slot: 2, shard: 's2', epoch: 1 },
    ]);
    expect(map.routeOf(1)).toMatchObject({ shard: 's1', epoch: 4 });
    expect(map.routeOf(2)).toMatchObject({ shard: 's2', epoch: 1, state: 'open' });
    map.replace('s3', [open(2, 2)]);
    expect(map.routeOf(2)).toMatchObject({ shard: 's3' });
  });
});
