import { EVERY_LANE, laneMask } from './lanes.js';
import { parseNews } from './notifier.js';

describe('what a replica tells of a shard', () => {
  it('names lanes, or none', () => {
    expect(parseNews('replica-2 lanes=8001')).toEqual({ replicaId: 'replica-2', lanes: 0x8001 });
    expect(parseNews('replica-2')).toEqual({ replicaId: 'replica-2', lanes: undefined });
    expect(parseNews('')).toEqual({ replicaId: '', lanes: undefined });
    expect(parseNews('a b\nc lanes=1')).toEqual({ replicaId: 'a b\nc', lanes: 1 });
  });

  it('counts a slot to the lane of its last four bits', () => {
    expect(laneMask([0, 16, 4_080])).toBe(1);
    expect(laneMask([15, 4_095, 18])).toBe(0x8004);
    expect(laneMask(Array.from({ length: 16 }, (_, slot) => slot))).toBe(EVERY_LANE);
  });
});
