import { handleOf } from './people.js';

describe('who wrote a package', () => {
  it.each([
    [{ author: { name: 'Ada Lovelace', email: 'a@b.c' } }, 'Ada-Lovelace'],
    [{ author: 'Kevin Mårtensson <k@m.se> (https://k.se)' }, 'Kevin-Mårtensson'],
    [{ author: '<only@mail.org>', maintainers: [{ name: 'mia' }] }, 'mia'],
    [{ maintainers: [], contributors: ['Bo <b@o>'] }, 'Bo'],
    [{ author: 42, name: '@scope/name' }, 'scope'],
    [{ name: 'name' }, 'name'],
    [{ author: '  山田 太郎 ' }, '山田-太郎'],
    [{ author: 'a/b?c#d%e@f~g' }, 'a-b-c-d-e-f-g'],
    [{ author: '...', name: '---' }, 'somebody'],
  ])('of %j is %s', (manifest, handle) => {
    expect(handleOf({ name: 'name', ...manifest })).toBe(handle);
  });

  it('is never the demo user, whose password is known', () => {
    expect(handleOf({ name: 'x', author: 'demo' })).toBe('demo~author');
  });

  it('fits a username', () => {
    expect(handleOf({ name: 'x', author: '🪶'.repeat(100) }).length).toBeLessThanOrEqual(60);
  });
});
