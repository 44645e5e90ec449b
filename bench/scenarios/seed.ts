import { benchDatabases, eachDatabase, fill } from '../databases.js';
import type { Scenario } from '../harness.js';

const ARTICLES = 200_000;
const GOAL_PER_SECOND = 20_000;

/** The baseline is the rate we set ourselves. */
export const seed: Scenario = {
  name: 'seed',
  about: `npm run seed -- --bulk --articles ${ARTICLES} on two shards (goal ${GOAL_PER_SECOND} articles/s)`,
  run: async (report) => {
    const databases = await benchDatabases(2);
    try {
      const since = performance.now();
      const said = await fill(databases.urls, ARTICLES, 500);
      const seconds = (performance.now() - since) / 1000;
      let articles = 0;
      await eachDatabase(databases.urls, async (client) => {
        const { rows } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM article');
        articles += rows[0]!.n;
      });
      const rate = /([\d,]+) articles\/s/.exec(said)?.[1]?.replaceAll(',', '');
      if (rate === undefined) throw new Error(`the seed did not tell its rate: ${said}`);
      report.add(
        'seed',
        'articles per second, while writing them',
        Number(rate),
        GOAL_PER_SECOND,
        '1/s',
        true,
      );
      report.add(
        'seed',
        'the same, with start, people, VACUUM and recount',
        articles / seconds,
        GOAL_PER_SECOND,
        '1/s',
        true,
      );
    } finally {
      await databases.close();
    }
  },
};
