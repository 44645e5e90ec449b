import { runCli } from '../run-cli.js';
import { cacheExplain } from './cache-explain.js';
import { cacheInvalidate } from './cache-invalidate.js';
import type { CacheSite } from './cache-site.js';
import { cacheStats } from './cache-stats.js';

async function rookery(line: string, cache: CacheSite['cache'] = {}) {
  let out = '';
  let err = '';
  const code = await runCli<CacheSite>(line.split(' '), {
    summary: 'spec',
    version: '0',
    groups: {},
    commands: [cacheStats, cacheExplain, cacheInvalidate],
    open: () => Promise.resolve({ cache, close: () => Promise.resolve() }),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

describe('rookery cache', () => {
  it.each(['stats', 'explain a', 'invalidate --tag a'])(
    'says of %s without Redis that each replica has its own memory',
    async (command) => {
      const { code, out, err } = await rookery(`cache ${command}`);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toMatch(/^this site has no Redis \(REDIS_URL\): each replica .* its own memory/);
      expect(JSON.parse((await rookery(`cache ${command} --json`)).out)).toEqual({ redis: false });
    },
  );

  it('wants to know what to end, and which key', async () => {
    const { code, err } = await rookery('cache invalidate');
    expect(code).toBe(2);
    expect(err).toContain('say what to end: --tag <tag>');
    expect((await rookery('cache explain')).code).toBe(2);
  });

  it.each(['stats', 'invalidate --tag a'])('says of %s in one line that Redis is away', async (command) => {
    const { code, out, err } = await rookery(`cache ${command}`, { redisUrl: 'redis://127.0.0.1:1' });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^rookery: .*\(RK_CACHE_REDIS_AWAY\)\n$/);
  });
});
