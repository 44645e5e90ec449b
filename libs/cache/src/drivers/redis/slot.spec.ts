import { slotOf } from './slot.js';

it.each([
  // The first is of the specification; the others are what CLUSTER KEYSLOT of Redis 7.0 says.
  ['123456789', 12_739],
  ['', 0],
  ['{user1000}.following', 3_443],
  ['user1000', 3_443],
  ['foo{}{bar}', 8_363],
  ['foo{{bar}}zap', 4_015],
  ['foo{bar}{zap}', 5_061],
  ['ключ}{', 13_510],
])('knows the slot of %p', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});
