import { newId } from '@rookery/kernel';
import { Shards } from '@rookery/sharding';
import { PublishArticle } from '../../src/articles/commands/publish-article.js';
import { migrations } from '../../src/schema.js';
import { PgWriter } from '../baselines/pg-writer.js';
import { cpuOfTree } from '../cpu.js';
import { benchDatabases, eachDatabase } from '../databases.js';
import type { Report, Scenario, Side } from '../harness.js';

const SHARDS = 2;
const AUTHORS = 1_000;
const SECONDS = 2;
const WRITERS = [1, 16];
const BODY = 'A body of about a thousand characters. '.repeat(26);
const TAGS = ['bench', 'writing'];

type Write = (writer: number, author: string, title: string) => Promise<string>;

export const tx: Scenario = {
  name: 'tx',
  about: 'create an article, against pipelined pg by hand doing the same statements, with 1 and 16 writers',
  run: async (report) => {
    const databases = await benchDatabases(SHARDS);
    try {
      const authors = await makeAuthors(databases.urls);
      for (const writers of WRITERS)
        await oneNumber(report, databases.urls, databases.serverPid, authors, writers);
    } finally {
      await databases.close();
    }
  },
};

async function oneNumber(
  report: Report,
  urls: readonly string[],
  serverPid: number,
  authors: readonly string[],
  writers: number,
): Promise<void> {
  const shards = new Shards({ shards: urls.map((url) => ({ url })), migrations, poolMax: writers });
  const pgWriter = new PgWriter(urls, writers);
  try {
    await shards.start();
    await pgWriter.open();
    const publish = new PublishArticle(shards);
    const ours: Write = async (_, author, title) =>
      String((await publish.run(author, { title, description: 'about', body: BODY, tagList: TAGS })).json);
    const baseline: Write = (writer, author, title) => pgWriter.write(writer, author, title, BODY, TAGS);
    await mustAgree(ours, baseline, authors[0]!);
    const side = (write: Write): Side => writing(write, writers, authors, serverPid);
    await report.compare('tx', `${writers} writer${writers > 1 ? 's' : ''}`, side(ours), side(baseline));
  } finally {
    await pgWriter.close();
    await shards.close();
  }
}

function writing(write: Write, writers: number, authors: readonly string[], serverPid: number): Side {
  let next = 0;
  return async () => {
    const [cpu, postgres, since] = [process.cpuUsage(), cpuOfTree(serverPid), performance.now()];
    const until = since + SECONDS * 1000;
    let operations = 0;
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        while (performance.now() < until) {
          next += 1;
          await write(writer, authors[next % authors.length]!, `Article ${next}`);
          operations += 1;
        }
      }),
    );
    const { user, system } = process.cpuUsage(cpu);
    return {
      operations,
      seconds: (performance.now() - since) / 1000,
      cpuMs: (user + system) / 1000,
      postgresMs: cpuOfTree(serverPid) - postgres,
    };
  };
}

async function makeAuthors(urls: readonly string[]): Promise<string[]> {
  const ids = Array.from({ length: AUTHORS }, (_, i) => newId((i * 2_654_435_761) % 4096));
  await eachDatabase(urls, async (client, shard) => {
    const here = ids.filter(
      (id) => Math.floor((parseInt(id.slice(15, 18), 16) * urls.length) / 4096) === shard,
    );
    await client.query(
      `INSERT INTO users (id, username, email, password_hash)
       SELECT id, 'user-' || id, id || '@example.com', 'none' FROM unnest($1::uuid[]) id`,
      [here],
    );
  });
  return ids;
}

/** Both must write the same article: all but what is drawn anew for each (the slug's code, the times). */
async function mustAgree(ours: Write, baseline: Write, author: string): Promise<void> {
  const same = (json: string): string =>
    JSON.stringify(JSON.parse(json), (key, value: unknown) =>
      key === 'slug'
        ? String(value).slice(0, -12)
        : key === 'createdAt' || key === 'updatedAt'
          ? 'at'
          : value,
    );
  const [a, b] = [await ours(0, author, 'The same'), await baseline(0, author, 'The same')].map(same);
  if (a !== b) throw new Error(`ours and the baseline differ:\n${a}\n${b}`);
}
