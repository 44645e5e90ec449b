import { table } from './table.js';

describe('table', () => {
  it('makes columns as wide as their widest cell, and numbers end where they should', () => {
    const columns = [{ title: 'shard' }, { title: 'rows', align: 'right' as const }, { title: 'note' }];
    expect(
      table(columns, [
        ['s1', '12,345', 'old'],
        ['s10', '7', ''],
      ]),
    ).toEqual(['shard    rows  note', 's1     12,345  old', 's10         7']);
  });

  it('does not count colours', () => {
    const [head, line] = table([{ title: 'a' }, { title: 'b' }], [['\u001b[31mred\u001b[39m', 'x']]);
    expect(head).toBe('a    b');
    expect(line).toBe('\u001b[31mred\u001b[39m  x');
  });
});
