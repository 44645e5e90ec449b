import { availableParallelism } from 'node:os';
import type { RunningCluster } from '../../src/cluster/index.js';
import { benchCluster } from '../clusters.js';
import { cpuOf, cpuOfMachine, cpuOfTree } from '../cpu.js';
import { CpuShares } from '../cpu-shares.js';
import { fill, serverPidOf } from '../databases.js';
import { sendTo } from '../edge-load.js';
import { median, type Report, type Scenario } from '../harness.js';
import { CLOSED, getRequest, RawClient } from '../raw-client.js';

const COUNTS = [1, 2, 3];
/** Of one core, for each replica: three of them leave most of two cores to all others. */
const SHARE = 0.2;
const GOAL = 0.9;
const ROUNDS = 3;
const SECONDS = 6;
/** For each replica, at full speed, where one has just started: it is to be as quick as one that has not. */
const WARM_READS = 8_000;
/** For each replica; each has one request under way at any time, so that all replicas have enough to do. */
const CONNECTIONS = 8;
const ARTICLES = 500;
const FOLLOWED = 5;
const READ = 20;
/** Above it, what is measured is the machine and not the replicas: a turn like that is tried again, as long as this many times are left. */
const BUSY_LIMIT = 0.95;
const TRIES = 3;

export const scale: Scenario = {
  name: 'scale',
  about: `reads per replica of ${COUNTS.join(', ')} replicas behind Nginx, each held to ${SHARE * 100} % of a core by SIGSTOP, against one replica (goal: ${GOAL})`,
  run: async (report) => {
    if (process.platform !== 'linux') {
      report.say('scale: it takes Linux to hold a process to a share of a core');
      return;
    }
    const { cluster, close } = await benchCluster(Math.max(...COUNTS));
    try {
      const { shardUrls } = cluster.parts.servers;
      await fill(shardUrls, ARTICLES);
      const site = new LoadedSite(cluster, await serverPidOf(shardUrls[0]!), await readsOf(cluster.url));
      await compare(report, site);
    } finally {
      await close();
    }
  },
};

/** Up and down by turns: the next round begins with the number of replicas that the last one ended with. */
async function compare(report: Report, site: LoadedSite): Promise<void> {
  const turns = new Map<number, Turn[]>(COUNTS.map((count) => [count, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const count of round % 2 === 0 ? COUNTS.toReversed() : COUNTS)
      turns.get(count)!.push(await quietTurn(report, site, count));
  const row = (count: number, measure: string, of: (turn: Turn) => number, unit: string): void => {
    const [ours, one] = [count, COUNTS[0]!].map((n) => median(turns.get(n)!.map(of)));
    const label = `${count} ${count === 1 ? 'replica' : 'replicas'}: ${measure}`;
    report.add('scale', label, ours!, one!, unit, unit === '1/s');
  };
  for (const count of COUNTS) {
    row(count, 'reads per replica', ({ perSecond, replicas }) => perSecond / replicas.length, '1/s');
    row(count, 'CPU of replicas', ({ perSecond, replicas }) => (sum(replicas) / perSecond) * 1_000, 'ms/op');
  }
  const all = [...turns.values()].flat();
  const busy = all.filter((turn) => turn.busy > BUSY_LIMIT).length;
  report.say(
    busy > 0
      ? `  in ${busy} of ${all.length} turns the machine had nothing left: of reads per replica, these do not tell how the site scales`
      : `  all cores were busy to ${percent(Math.max(...all.map((turn) => turn.busy)))} at most: nobody but the replicas was the limit`,
  );
}

/** One in which the machine has something left, unless there is none in some tries. */
async function quietTurn(report: Report, site: LoadedSite, count: number): Promise<Turn> {
  for (let tries = 1; ; tries++) {
    const turn = await site.turn(count);
    const counts = turn.busy <= BUSY_LIMIT || tries === TRIES;
    const again = counts ? '' : '; tried again';
    report.say(`  ${count} of them: ${turn.perSecond.toFixed(0)} reads/s; CPU ${shown(turn)}${again}`);
    if (counts) return turn;
  }
}

interface Turn {
  readonly perSecond: number;
  /** Shares of one core. */
  readonly replicas: readonly number[];
  readonly others: ReadonlyMap<string, number>;
  /** Share of all cores. */
  readonly busy: number;
}

function shown({ replicas, others, busy }: Turn): string {
  const parts = [...others].map(([name, share]) => `${name} ${percent(share)}`);
  return `of each ${replicas.map(percent).join(', ')}, ${parts.join(', ')}; all cores ${percent(busy)}`;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** The running site, and who asks it. */
class LoadedSite {
  private readonly warm = new Set<number>();

  constructor(
    private readonly cluster: RunningCluster,
    private readonly postgres: number,
    private readonly requests: readonly Buffer[],
  ) {}

  async turn(count: number): Promise<Turn> {
    await this.cluster.scale(count);
    const pids = await this.replicas();
    if (pids.some((pid) => !this.warm.has(pid)))
      for (let reads = 0; reads < WARM_READS * count;) reads += await this.readFor(1, count);
    for (const pid of pids) this.warm.add(pid);
    const shares = await CpuShares.hold(pids, SHARE);
    try {
      const readings: (() => number)[] = [
        ...[cpuOfMachine, () => shares.cpuMs],
        ...pids.map((pid) => () => cpuOf(pid)),
        ...this.others.values(),
      ];
      const before = readings.map((read) => read());
      const since = performance.now();
      const answered = await this.readFor(SECONDS, count);
      const tookMs = performance.now() - since;
      const spent = readings.map((read, at) => (read() - before[at]!) / tookMs);
      const [machine = 0, keeper = 0, ...rest] = spent;
      const names = [...this.others.keys()];
      return {
        perSecond: (answered / tookMs) * 1_000,
        replicas: rest.slice(0, count),
        others: new Map([
          ...names.map((name, at) => [name, rest[count + at]!] as const),
          ['keeping shares', keeper],
        ]),
        busy: machine / availableParallelism(),
      };
    } finally {
      await shares.release();
    }
  }

  private get others(): ReadonlyMap<string, () => number> {
    const { nginx, servers } = this.cluster.parts;
    return new Map([
      ['Nginx', () => cpuOfTree(nginx.pid)],
      ['PostgreSQL', () => cpuOfTree(this.postgres)],
      ['Redis', () => cpuOf(servers.redis!.pid!)],
      ['Kafka', () => cpuOf(servers.kafka!.pids[0]!)],
      ['client', () => cpuOf(process.pid)],
    ]);
  }

  private async replicas(): Promise<number[]> {
    const status = await this.cluster.status();
    return status.flatMap(({ component, pid }) => (component.startsWith('replica-') ? [pid!] : []));
  }

  /** @returns how many were answered @throws unless all are by 200 */
  private async readFor(seconds: number, replicas: number): Promise<number> {
    const until = performance.now() + seconds * 1_000;
    const readers = Array.from({ length: replicas * CONNECTIONS }, (_, at) => this.readOn(at, until));
    return sum(await Promise.all(readers));
  }

  /** One request after the other on one connection; on another where Nginx has closed it, as it does when it is reloaded. */
  private async readOn(first: number, until: number): Promise<number> {
    const port = Number(new URL(this.cluster.url).port);
    let client = await RawClient.to(port);
    try {
      for (let answered = 0; ; answered++) {
        if (performance.now() >= until) return answered;
        const request = this.requests[(first + answered) % this.requests.length]!;
        await client.ask(request).catch(async (error: Error) => {
          if (error.message !== CLOSED) throw error;
          client = await RawClient.to(port);
          return client.ask(request);
        });
      }
    } finally {
      client.end();
    }
  }
}

interface Listed {
  readonly articles: readonly { readonly slug: string; readonly author: { readonly username: string } }[];
}

/** What somebody who is signed in and follows others reads: lists, their feed, articles, comments, profiles, tags. */
async function readsOf(url: string): Promise<Buffer[]> {
  const api = `${url}/api`;
  const user = { username: 'reader', email: 'reader@example.org', password: 'a password of reader' };
  const registered = await sendTo(`${api}/users`, { method: 'POST', body: { user } });
  const { token } = (JSON.parse(registered) as { user: { token: string } }).user;
  const { articles } = JSON.parse(await sendTo(`${api}/articles?limit=${READ}`)) as Listed;
  const authors = [...new Set(articles.map(({ author }) => author.username))];
  for (const author of authors.slice(0, FOLLOWED))
    await sendTo(`${api}/profiles/${author}/follow`, { method: 'POST', token });
  const paths = articles.flatMap(({ slug, author }) => [
    ...['articles?limit=20', 'articles/feed?limit=20', 'tags'],
    ...[`articles/${slug}`, `articles/${slug}/comments`, `profiles/${author.username}`],
  ]);
  const port = Number(new URL(url).port);
  return paths.map((path) => getRequest(port, `/api/${path}`, { authorization: `Token ${token}` }));
}
