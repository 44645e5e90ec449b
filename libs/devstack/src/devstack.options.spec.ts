import { devstackErrors } from './devstack.errors.js';
import { checkOptions, embeddedDatabaseNames, type EmbeddedPostgresOptions } from './devstack.options.js';

const faultOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe('the options', () => {
  it('name the databases of the shards from 1 up', () => {
    expect(embeddedDatabaseNames(3, 'conduit')).toEqual(['conduit_1', 'conduit_2', 'conduit_3']);
  });

  it.each([0, 65, 1.5, Number.NaN])('refuse %s databases', (count) => {
    expect(
      devstackErrors.is(
        faultOf(() => embeddedDatabaseNames(count, 'x')),
        'BAD_OPTIONS',
      ),
    ).toBe(true);
  });

  it.each<Omit<EmbeddedPostgresOptions, 'dataDir'>>([
    { databases: ['Robert"; DROP TABLE students'] },
    { databases: [''] },
    { databases: ['a'.repeat(64)] },
    { databases: [], settings: { 'work mem': '1' } },
    { databases: [], settings: { work_mem: '1\nport = 1' } },
    { databases: [], startTimeoutMs: 0 },
  ])('refuse %j', (options) => {
    expect(
      devstackErrors.is(
        faultOf(() => checkOptions({ dataDir: '.', ...options })),
        'BAD_OPTIONS',
      ),
    ).toBe(true);
  });
});
