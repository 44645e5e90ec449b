import { newId } from '@rookery/kernel';
import { narrowed } from './narrowed.js';
import { byAuthor, type Selection } from './selection.js';

const tagged: Selection = {
  name: 'tag',
  ids: 'SELECT article_id AS id FROM article_tag WHERE tag = $1 ORDER BY tag, article_id DESC',
  count: 'SELECT 1',
  values: ['nest'],
  arity: 1,
};
const feed: Selection = { ...tagged, name: 'feed', values: (shard) => (shard === 's1' ? ['x'] : undefined) };

describe('what selections have in common', () => {
  const author = newId(7);
  const both = narrowed(byAuthor(author), tagged);

  it('numbers the values of each after those before it', () => {
    expect(both.arity).toBe(2);
    expect(both.ids).toContain('author_id = $1');
    expect(both.ids).toContain('tag = $2');
    expect((both.values as (shard: string) => unknown[])('s1')).toEqual([author, 'nest']);
  });

  it('stays where one of them lives', () => {
    expect(both.at).toBe(author);
    expect(narrowed(tagged, feed).at).toBeUndefined();
  });

  it('counts what it selects, not what one of them says', () => {
    expect(both.count).toContain('count(*)');
    expect(both.count).toContain('tag = $2');
  });

  it('leaves a shard out that one of them leaves out', () => {
    const values = narrowed(tagged, feed).values as (shard: string) => unknown;
    expect(values('s1')).toEqual(['nest', 'x']);
    expect(values('s2')).toBeUndefined();
  });

  it('has a name of its own, since its text is its own', () => {
    expect(both.name).toBe('author+tag');
  });
});
