import { setTimeout as pause } from 'node:timers/promises';
import { benchCluster } from '../clusters.js';
import { eachDatabase } from '../databases.js';
import { EdgeLoad, sendTo, type PacedKind } from '../edge-load.js';
import { median, type Report, type Scenario } from '../harness.js';

const REPLICAS = 3;
const ROLLS = 10;
const GOAL_POSTS = 300;
const GOAL_GETS = 1_000;
/** A replica's start and its drain delay. */
const GOAL_SECONDS = 15;
const AUTHORS = 8;
/** Shares of the goal that are tried, one after the other. */
const SHARES = [1, 0.5, 0.25, 0.1, 0.05, 0.025];
const TRY_SECONDS = 5;
/** Of what the machine bears: a replica that starts takes a core, and servers catch up. */
const LEFT_FOR_REQUESTS = 0.25;
const KEPT_UP = 0.95;
const CATCH_UP_LIMIT_MS = 120_000;
const TOOK_PLACE = / has taken the place of \S+ in ([\d.]+) s$/;

interface Person {
  readonly username: string;
  readonly token: string;
}

export const roll: Scenario = {
  name: 'roll',
  about: `${ROLLS} rolls of ${REPLICAS} replicas behind Nginx under load: seconds each, failures, events (goals: ${GOAL_POSTS} POST/s, ${GOAL_GETS} GET/s)`,
  run: async (report) => {
    const { cluster, said, close } = await benchCluster(REPLICAS);
    try {
      const site = new Site(`${cluster.url}/api`);
      await site.prepare();
      const borne = await site.shareBorne(report);
      const share = borne * LEFT_FOR_REQUESTS;
      const load = new EdgeLoad(site.kinds(share));
      for (let rolls = 1; rolls <= ROLLS; rolls++) {
        await cluster.roll();
        report.say(`  roll ${rolls}: ${load.failures.length} requests have failed so far`);
      }
      const rates = await load.stop();
      const seconds = said.flatMap((line) => Number(TOOK_PLACE.exec(line)?.[1] ?? NaN) || []);
      report.add('roll', 'seconds per replica', median(seconds), GOAL_SECONDS, 's', false);
      report.add('roll', 'POSTs acknowledged', rates.get('POST')!, GOAL_POSTS, '1/s', true);
      report.add('roll', 'GETs answered', rates.get('GET')!, GOAL_GETS, '1/s', true);
      const { failures } = load;
      report.say(
        `  ${seconds.length} replicas replaced; sent at ${(share * 100).toFixed(1)} % of the goal: ` +
          `the machine bears ${(borne * 100).toFixed(0)} % of it without a roll`,
      );
      report.say(`  ${failures.length} requests failed of ${total(load) + failures.length}`);
      for (const failure of failures.slice(0, 5)) report.say(`    ${failure}`);
      const { written, lost, doubled, missing, twice } = await site.verdict(cluster.parts.servers.shardUrls);
      report.say(
        `  ${written} articles written: ${missing} acknowledged and lost, ${twice} there twice; events lost ${lost}, doubled ${doubled}`,
      );
    } finally {
      await close();
    }
  },
};

function total({ counts }: EdgeLoad): number {
  return [...counts.values()].reduce((sum, { answered }) => sum + answered, 0);
}

/** Some authors, whom one reader follows: what they publish is an event each, applied to the reader's feed. */
class Site {
  private readonly acknowledged: string[] = [];
  private authors: readonly Person[] = [];
  private count = 0;

  constructor(private readonly api: string) {}

  async prepare(): Promise<void> {
    const authors: Person[] = [];
    for (let at = 0; at < AUTHORS; at++) authors.push(await this.register(`author${at}`));
    this.authors = authors;
    const { token } = await this.register('reader');
    for (const { username } of authors)
      await sendTo(`${this.api}/profiles/${username}/follow`, { method: 'POST', token });
  }

  kinds(share: number): PacedKind[] {
    return [
      { name: 'POST', perSecond: GOAL_POSTS * share, once: () => this.publish() },
      { name: 'GET', perSecond: GOAL_GETS * share, once: () => this.read() },
    ];
  }

  /** The largest share of the goal that is kept up with, without a failure. @throws where none is */
  async shareBorne(report: Report): Promise<number> {
    for (const share of SHARES) {
      const load = new EdgeLoad(this.kinds(share));
      await pause(TRY_SECONDS * 1_000);
      const rates = await load.stop();
      const [posts, gets] = [rates.get('POST')!, rates.get('GET')!];
      report.say(
        `  tried ${(share * 100).toFixed(0)} %: ${posts.toFixed(0)} POST/s, ${gets.toFixed(0)} GET/s, ${load.failures.length} failed`,
      );
      const kept = posts >= GOAL_POSTS * share * KEPT_UP && gets >= GOAL_GETS * share * KEPT_UP;
      if (kept && load.failures.length === 0) return share;
    }
    throw new Error(`this machine does not bear ${SHARES.at(-1)! * 100} % of the goal`);
  }

  /** Once every event has been applied, or does not come to be. */
  async verdict(urls: readonly string[]) {
    for (const end = performance.now() + CATCH_UP_LIMIT_MS; ;) {
      const now = await this.verdictNow(urls);
      if ((now.lost === 0 && now.doubled === 0) || performance.now() > end) return now;
      await pause(500);
    }
  }

  private async verdictNow(urls: readonly string[]) {
    const titles = new Map<string, number>();
    let [written, entries, counted] = [0, 0, 0];
    await eachDatabase(urls, async (client) => {
      const { rows } = await client.query<{ title: string }>('SELECT title FROM article');
      for (const { title } of rows) titles.set(title, (titles.get(title) ?? 0) + 1);
      written += rows.length;
      const { rows: feed } = await client.query<{ entries: number; counted: number }>(
        `SELECT (SELECT count(*)::int FROM feed_entry) AS entries,
           (SELECT coalesce(sum(articles), 0)::int FROM feed_stat) AS counted`,
      );
      entries += feed[0]!.entries;
      counted += feed[0]!.counted;
    });
    return {
      written,
      missing: this.acknowledged.filter((title) => !titles.has(title)).length,
      twice: [...titles.values()].filter((times) => times > 1).length,
      lost: written - entries,
      doubled: counted - entries,
    };
  }

  private async publish(): Promise<void> {
    this.count += 1;
    const title = `Number ${this.count}`;
    const { token } = this.authors[this.count % AUTHORS]!;
    const article = { title, description: 'of a roll', body: 'Something.', tagList: ['rolled'] };
    await sendTo(`${this.api}/articles`, { method: 'POST', token, body: { article } });
    this.acknowledged.push(title);
  }

  private async read(): Promise<void> {
    await sendTo(`${this.api}/articles?limit=5`);
  }

  private async register(username: string): Promise<Person> {
    const user = { username, email: `${username}@example.org`, password: `a password of ${username}` };
    const body = await sendTo(`${this.api}/users`, { method: 'POST', body: { user } });
    return { username, token: (JSON.parse(body) as { user: { token: string } }).user.token };
  }
}
