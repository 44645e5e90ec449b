import { loadConfig, ConfigFault, type Config } from '../config/index.js';
import { startSite } from '../site.js';
import { ApiClient, ApiUnreachable } from './api/api-client.js';
import { checkConduit } from './api/accounts.js';
import { seedByApi } from './api/seed-by-api.js';
import { seedInBulk } from './bulk/seed-in-bulk.js';
import { readCorpus } from './corpus/corpus.js';
import { DEMO } from './corpus/people.js';
import { openShards } from './open-shards.js';
import type { SeedOptions } from './options.js';
import { emailOf } from './plan/accounts.js';
import { Plan } from './plan/plan.js';
import type { Progress } from './progress.js';
import { nearestPackages } from './project.js';

const DEFAULT_URL = 'http://127.0.0.1:3000/api';
const DEFAULT_PASSWORD = 'rookery-demo';

/**
 * The whole of `npm run seed`: reads the packages, writes them where the options say, and tells what became of it.
 * @throws what stands in the way, with a message for the person who ran it; a recount that differs is one, too
 */
export async function seed(options: SeedOptions, progress: Progress, signal: AbortSignal): Promise<void> {
  const config = loadConfig();
  const password = passwordFor(options, config);
  const corpus = await readCorpus(options.from ?? nearestPackages(import.meta.dirname));
  const plan = new Plan(corpus, {
    articles: options.articles ?? corpus.length,
    bodyLength: options.bodyLength,
  });
  progress.say(
    `${number(corpus.length)} packages make ${number(plan.articles)} articles by ${number(plan.people().length)} people` +
      (plan.articles > corpus.length
        ? `; repetitions carry ${number(options.bodyLength)} characters of a README at most`
        : ''),
  );
  if (options.bulk) await inBulk(config, plan, password, progress, signal);
  else await byApi(config, plan, password, options, progress, signal);
  progress.say(`Sign in as ${DEMO} · ${emailOf(DEMO)} · ${password}`);
}

async function inBulk(
  config: Config,
  plan: Plan,
  password: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { shards, close } = await openShards(config, (line) => progress.say(line));
  try {
    const result = await seedInBulk(shards, plan, password, progress, signal);
    const { recount } = result;
    progress.say(`${outcome(result)} into ${shards.shardNames.length} shards`);
    progress.say(
      `${number(result.readModelRows)} rows of favorited lists, tags and feeds in ${result.readModelSeconds.toFixed(1)} s`,
    );
    progress.say(
      `now ${number(recount.articles)} articles, ${number(recount.users)} users, ${number(recount.tags)} tags on them, ` +
        `${number(recount.favorites)} favorites, ${number(recount.comments)} comments, ${number(recount.follows)} follows`,
    );
    if (recount.faults.length > 0) throw new Error(`a recount differs: ${recount.faults.join('; ')}`);
    if (recount.outdated.length > 0) throw new Error(`not up to date: ${recount.outdated.join('; ')}`);
    progress.say('a recount of all rows equals the counters');
  } finally {
    await close();
  }
}

async function byApi(
  config: Config,
  plan: Plan,
  password: string,
  options: SeedOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const target = await findSite(config, options.url, progress, signal);
  try {
    const result = await seedByApi(
      target.api,
      plan,
      { password, concurrency: options.concurrency, signal },
      progress,
    );
    progress.say(
      `${outcome(result)}, with ${number(result.favorites)} favorites and ${number(result.comments)} comments`,
    );
    progress.say(`${target.api.url} now counts ${number(result.total)} articles`);
  } finally {
    await target.close();
  }
}

interface Target {
  readonly api: ApiClient;
  close(): Promise<void>;
}

/** The site that was named, or the one on the default port, or one of our own for the time. */
async function findSite(
  config: Config,
  url: string | undefined,
  progress: Progress,
  signal: AbortSignal,
): Promise<Target> {
  const api = new ApiClient(url ?? DEFAULT_URL, signal);
  try {
    await checkConduit(api);
    progress.say(`writing to ${api.url}`);
    return { api, close: () => Promise.resolve() };
  } catch (error) {
    if (url !== undefined || !(error instanceof ApiUnreachable)) throw error;
  }
  progress.say(`nobody answers on ${api.url}: starting a site for the time`);
  const site = await startSite({
    config: { ...config, host: '127.0.0.1', port: 0, drainDelayMs: 0, logLevel: 'warn' },
    operations: false,
    logTo: { write: (line) => process.stderr.write(line) },
  });
  return { api: new ApiClient(`${site.url}/api`, signal), close: () => site.stop() };
}

function passwordFor({ password }: SeedOptions, { production }: Config): string {
  if (password === undefined && production) {
    throw new ConfigFault(['--password: expected one in production, where the default would let anybody in']);
  }
  return password ?? DEFAULT_PASSWORD;
}

function outcome({
  added,
  found,
  articleSeconds,
}: {
  added: number;
  found: number;
  articleSeconds: number;
}): string {
  const rate = added === 0 ? '' : `, ${number(Math.round(added / articleSeconds))} articles/s`;
  return `${number(found)} articles were there, ${number(added)} written${rate}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
