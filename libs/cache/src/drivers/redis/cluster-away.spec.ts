import { RedisConnection } from './connection.js';
import { MINT } from './scripts.js';

describe('a cluster of which no node is known', () => {
  it('is away, at once, and holds nothing else up', async () => {
    const connection = new RedisConnection({
      urls: ['redis://127.0.0.1:1', 'redis://127.0.0.1:2'],
      isCluster: true,
      deadlineMs: 50,
      boundMs: 500,
      onWarning: () => undefined,
    });
    const away = { code: 'RK_CACHE_REDIS_AWAY' };
    await expect(connection.try(() => connection.eval(MINT, ['k'], ['v', '1']), 50)).rejects.toMatchObject(
      away,
    );
    await expect(connection.call(({ store }) => store.get('k'))).rejects.toMatchObject(away);
    await expect(connection.publish('c', 'm')).rejects.toMatchObject(away);
    await connection.close();
  });
});
