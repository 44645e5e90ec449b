import pg from 'pg';
import { FixedKeys, KeySet, TokenService } from '@rookery/security';
import { eachDatabase } from './databases.js';
import { JWT_SECRET } from './servers.js';

export interface BenchViewer {
  readonly id: string;
  readonly token: string;
}

/** A user who follows somebody, with a token. The one with the median number of followed users, so not an extreme. */
export async function someViewer(urls: readonly string[]): Promise<BenchViewer> {
  const followers: { id: string; follows: number }[] = [];
  await eachDatabase(urls, async (client: pg.Client) => {
    const { rows } = await client.query<{ id: string; follows: number }>(
      'SELECT follower_id AS id, count(*)::int AS follows FROM follow GROUP BY 1',
    );
    followers.push(...rows);
  });
  followers.sort((a, b) => a.follows - b.follows || (a.id < b.id ? -1 : 1));
  const viewer = followers[followers.length >> 1];
  if (!viewer) throw new Error('the seed has nobody who follows anybody');
  const tokens = new TokenService(new FixedKeys(await KeySet.fromSecret(JWT_SECRET)), { issuer: 'conduit' });
  return { id: viewer.id, token: await tokens.sign(viewer.id) };
}
