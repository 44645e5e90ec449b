import { startEtcd, type Etcd, type TestDatabases } from '@rookery/devstack/testing';
import { EtcdRegistry, type Instance } from '@rookery/discovery';
import { buildIfStale } from '../../../scripts/build-if-stale.mjs';
import { ChildSite } from '../../support/child-site.js';
import { conduitDatabases } from '../../support/site.js';
import { until } from '../../support/until.js';

export const LIMIT_MS = 90_000;
const READY = 'Conduit is ready';

/** A replica of two processes (`WORKERS=2`) in production, which registers both in an etcd of its own. */
export class TwoWorkers {
  readonly registry: EtcdRegistry;

  private constructor(
    private readonly databases: TestDatabases,
    private readonly etcd: Etcd,
    readonly site: ChildSite,
  ) {
    this.registry = new EtcdRegistry({ endpoints: [etcd.endpoint], callTimeoutMs: 10_000 });
  }

  /** Resolves when it takes traffic. */
  static async start(environment: Readonly<Record<string, string>>): Promise<TwoWorkers> {
    await buildIfStale();
    const [databases, etcd] = await Promise.all([conduitDatabases(2), startEtcd()]);
    const site = new ChildSite({
      SHARD_URLS: databases.urls.join(','),
      JWT_SECRET: 'a secret that is long enough for HS256',
      NODE_ENV: 'production',
      ETCD_ENDPOINTS: etcd.endpoint,
      REPLICA_ID: 'web-1',
      WORKERS: '2',
      DRAIN_DELAY_MS: '4000',
      ...environment,
    });
    const workers = new TwoWorkers(databases, etcd, site);
    await site.ready();
    return workers;
  }

  /**
   * Those in etcd that are up, once there are two.
   * @param areKnown whether who follows etcd has them, too
   */
  async both(areKnown: () => boolean = () => true): Promise<readonly Instance[]> {
    let found: readonly Instance[] = [];
    await until(
      'both to be registered, and known',
      async () => {
        found = (await this.registry.instances('conduit')).filter(({ state }) => state === 'up');
        return found.length === 2 && areKnown();
      },
      LIMIT_MS,
    );
    return found;
  }

  /**
   * Each of them answers more than it has by now to who asks them.
   * @param counts lines of their metrics that end in how much they have answered, with `g` and `m`
   */
  async bothAnswer(counts: RegExp): Promise<void> {
    const workers = await this.both();
    const answered = (): Promise<number[]> => Promise.all(workers.map((worker) => sumOf(worker, counts)));
    const before = await answered();
    const more = async (): Promise<boolean> =>
      (await answered()).every((count, at) => count > before[at]! + 5);
    await until('each of them to answer', more, LIMIT_MS);
  }

  /** Ends the process of one; resolves when another one is registered in its place. */
  async replace(id: string, signal: NodeJS.Signals, areKnown?: () => boolean): Promise<void> {
    const { opsAddress } = (await this.both(areKnown)).find((one) => one.id === id)!;
    const pid = this.pidOf(id);
    process.kill(pid, signal);
    await this.site.until('another process in its place', () => this.pidOf(id) !== pid);
    // What is registered of one that was killed stays until another one takes its place.
    const isAnew = async (): Promise<boolean> =>
      (await this.both(areKnown)).some((one) => one.id === id && one.opsAddress !== opsAddress);
    await until('it to be registered anew', isAnew, LIMIT_MS);
  }

  async close(): Promise<void> {
    await this.site.kill();
    await this.registry.close();
    await this.etcd.close();
    await this.databases.drop();
  }

  /** Of the last one that took traffic by this name. */
  private pidOf(id: string): number {
    const line = this.site.log.findLast(
      (one) => one['service.node.name'] === id && String(one['message']).startsWith(READY),
    );
    return Number(line!['process.pid']);
  }
}

async function sumOf({ opsAddress }: Instance, counts: RegExp): Promise<number> {
  const text = await (await fetch(`http://${opsAddress}/metrics`)).text();
  return [...text.matchAll(counts)].reduce((sum, [, count]) => sum + Number(count), 0);
}
