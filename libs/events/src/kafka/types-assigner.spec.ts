import { share } from './types-assigner.js';

const partitions = new Map([['t', [2, 0, 1, 3]]]);
const member = (id: string, since: number, ...types: string[]) => ({ id, since, types: { t: types } });
const owners = (...members: Parameters<typeof share>[0]) =>
  Object.fromEntries([...share(members, partitions)].map(([id, { t = [] }]) => [id, t]));

describe('the partitions of a topic', () => {
  it('are shared evenly among members that handle the same', () => {
    expect(owners(member('b', 1, 'x'), member('a', 2, 'x'))).toEqual({ a: [0, 2], b: [1, 3] });
  });

  it('go to those that handle all that any member handles', () => {
    expect(owners(member('old', 1, 'x'), member('new', 2, 'x', 'y'))).toEqual({ new: [0, 1, 2, 3], old: [] });
  });

  it('go to who came last where nobody handles all', () => {
    expect(owners(member('old', 1, 'x', 'z'), member('new', 2, 'x', 'y'))).toEqual({
      new: [0, 1, 2, 3],
      old: [],
    });
  });

  it('go to nobody who does not consume the topic', () => {
    const other = { id: 'other', since: 3, types: { elsewhere: ['x'] } };
    expect(owners(other, member('a', 1, 'x'))).toEqual({ a: [0, 1, 2, 3], other: [] });
  });
});
