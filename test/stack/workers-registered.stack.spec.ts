// needs: etcd, nginx
import { startEtcd, type Etcd, type Proxy, type TestDatabases } from '@rookery/devstack/testing';
import { EdgeAgent, EtcdRegistry, type Instance } from '@rookery/discovery';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';
import { ConduitTraffic } from './support/conduit-traffic.js';
import { balancerOf, nginxBefore } from './support/proxies.js';

/** A replica of two processes on one port (`WORKERS=2`) in a real etcd, behind an Nginx that an agent keeps in step. */
const LIMIT_MS = 90_000;
let databases: TestDatabases;
let etcd: Etcd;
let registry: EtcdRegistry;
let site: ChildSite;
let nginx: Proxy;
let agent: EdgeAgent;

beforeAll(async () => {
  await buildIfStale();
  [databases, etcd] = await Promise.all([conduitDatabases(2), startEtcd()]);
  registry = new EtcdRegistry({ endpoints: [etcd.endpoint], callTimeoutMs: 10_000 });
  site = new ChildSite({
    SHARD_URLS: databases.urls.join(','),
    JWT_SECRET: 'a secret that is long enough for HS256',
    NODE_ENV: 'production',
    ETCD_ENDPOINTS: etcd.endpoint,
    REPLICA_ID: 'web-1',
    WORKERS: '2',
    TRUST_PROXY: 'true',
    DRAIN_DELAY_MS: '4000',
    READ_AFTER_WRITE_MS: '4000',
  });
  await site.ready();
  nginx = await nginxBefore([{ name: 'web-1', address: new URL(site.url).host }], {
    ADDRESS_CONNECTIONS: '1000',
  });
  agent = new EdgeAgent({ registry, service: 'conduit', balancer: balancerOf(nginx), resyncMs: 200 });
  agent.start();
}, 300_000);
afterAll(async () => {
  await agent?.stop();
  await nginx?.close();
  await site?.kill();
  await registry?.close();
  await etcd?.close();
  await databases?.drop();
});

/** Those in etcd that are up, once there are two, and the balancer has them. */
async function both(): Promise<readonly Instance[]> {
  let found: readonly Instance[] = [];
  await until(
    'both to be registered and in the balancer',
    async () => {
      found = (await registry.instances('conduit')).filter(({ state }) => state === 'up');
      const up = agent.status().peers?.filter(({ draining }) => !draining) ?? [];
      return found.length === 2 && agent.status().inStep && up.length === 2;
    },
    LIMIT_MS,
  );
  return found;
}

/** Process ids by the identity of the worker, the last of each. */
const pids = (): Map<string, number> =>
  new Map(
    site.log
      .filter(({ message }) => String(message).startsWith('Conduit is ready'))
      .map((line) => [String(line['service.node.name']), Number(line['process.pid'])]),
  );
const readyLines = (): number => site.readyLines.length;

it('each of them is found under its own name, at the address they share, with operations of its own', async () => {
  const found = await both();
  expect(found.map(({ id }) => id)).toEqual(['web-1.1', 'web-1.2']);
  expect(new Set(found.map(({ address }) => address))).toEqual(new Set([new URL(site.url).host]));
  expect(new Set(found.map(({ opsAddress }) => opsAddress)).size).toBe(2);
  for (const { opsAddress } of found) expect((await fetch(`http://${opsAddress}/metrics`)).status).toBe(200);
});

it.each([
  ['killed', 'SIGKILL'],
  ['told to stop', 'SIGTERM'],
] as const)(
  'one after the other is %s, and only POSTs in flight on a killed one are lost',
  async (_, signal) => {
    const traffic = await ConduitTraffic.start(nginx.url);
    await until('traffic', async () => traffic.sent > 20, LIMIT_MS);
    for (const id of ['web-1.1', 'web-1.2']) {
      const [ready, pid] = [readyLines(), pids().get(id)];
      process.kill(pid!, signal);
      await site.until('another process in its place', () => readyLines() > ready && pids().get(id) !== pid);
      await both();
      const { sent } = traffic;
      await until('traffic after that', async () => traffic.sent > sent + 20, LIMIT_MS);
    }
    await traffic.stop();
    const posts = traffic.failures.filter((failure) => failure.startsWith('POST'));
    expect(traffic.failures).toEqual(posts);
    // Of three lines that write, one request each can have been under way on each of the two.
    expect(posts.length).toBeLessThanOrEqual(signal === 'SIGKILL' ? 6 : 0);
    expect(await traffic.faults()).toEqual([]);
  },
  300_000,
);

it('all of them leave the registry when the replica stops', async () => {
  expect(await site.stop()).toMatchObject({ code: 0 });
  expect(await registry.instances('conduit')).toEqual([]);
}, 120_000);
