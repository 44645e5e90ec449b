import pg from 'pg';
import { devstackErrors } from '../devstack.errors.js';
import { testDatabases } from './test-databases.js';

async function query<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

const prepare = (counter: { calls: number }) => async (urls: string[]) => {
  counter.calls += 1;
  for (const url of urls) await query(url, 'CREATE TABLE thing (name text)');
};

describe('testDatabases', () => {
  it('gives databases of their own to everybody, cloned from a template that is prepared once', async () => {
    const counter = { calls: 0 };
    const template = { name: 'spec_clone', prepare: prepare(counter) };
    const [one, other] = await Promise.all([
      testDatabases({ count: 2, template }),
      testDatabases({ count: 2, template }),
    ]);
    try {
      expect(new Set([...one.urls, ...other.urls]).size).toBe(4);
      await query(one.urls[1]!, `INSERT INTO thing VALUES ('mine')`);
      expect(await query(other.urls[1]!, 'SELECT * FROM thing')).toEqual([]);
      expect(await query(one.urls[1]!, 'SELECT * FROM thing')).toEqual([{ name: 'mine' }]);
      expect(counter.calls).toBe(1);
    } finally {
      await one.drop();
      await other.drop();
    }
    await expect(query(one.urls[0]!, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  });

  it('fails in drop, naming the session, when a connection is still open, and drops all the same', async () => {
    const { urls, drop } = await testDatabases({ count: 1, graceMs: 50 });
    const leaked = new pg.Client({ connectionString: urls[0], application_name: 'forgetful' });
    leaked.on('error', () => undefined);
    await leaked.connect();
    await leaked.query('SELECT 42 AS answer');
    const failure = await drop().catch((error: unknown) => error);
    await leaked.end().catch(() => undefined);
    expect(devstackErrors.is(failure, 'LEAKED_CONNECTIONS')).toBe(true);
    expect(String(failure)).toContain('forgetful');
    expect(String(failure)).toContain('SELECT 42 AS answer');
    await expect(query(urls[0]!, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  });

  it('fails the preparation of a template that leaks, and prepares it anew for the next caller', async () => {
    const clients: pg.Client[] = [];
    const leaky = async (urls: string[]) => {
      const client = new pg.Client({ connectionString: urls[0], application_name: 'leaky-migration' });
      client.on('error', () => undefined);
      clients.push(client);
      await client.connect();
    };
    await expect(
      testDatabases({ count: 1, graceMs: 50, template: { name: 'spec_leaky', prepare: leaky } }),
    ).rejects.toThrow('leaky-migration');
    const counter = { calls: 0 };
    const { drop } = await testDatabases({
      count: 1,
      template: { name: 'spec_leaky', prepare: prepare(counter) },
    });
    expect(counter.calls).toBe(1);
    await drop();
    for (const client of clients) await client.end().catch(() => undefined);
  });
});
