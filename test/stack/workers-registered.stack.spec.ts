// needs: etcd, nginx, haproxy
import { join } from 'node:path';
import { startEtcd, type Etcd, type Proxy, type TestDatabases } from '@rookery/devstack/testing';
import { EdgeAgent, EtcdRegistry, HaproxyBalancer, type Instance } from '@rookery/discovery';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';
import { ConduitTraffic } from './support/conduit-traffic.js';
import { balancerOf, haproxy, nginxBefore } from './support/proxies.js';

/** A replica of two processes on one port (`WORKERS=2`) in a real etcd, behind an Nginx and a HAProxy that agents keep in step. */
const LIMIT_MS = 90_000;
let databases: TestDatabases;
let etcd: Etcd;
let registry: EtcdRegistry;
let site: ChildSite;
const proxies = new Map<string, Proxy>();
const agents: EdgeAgent[] = [];
/** What each agent said, by its balancer. */
const said: string[] = [];
let slots: HaproxyBalancer;

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
  const nginx = await nginxBefore([{ name: 'web-1', address: new URL(site.url).host }], {
    ADDRESS_CONNECTIONS: '1000',
  });
  proxies.set('Nginx', nginx);
  // A connection that was handed to a process just before its end is answered by nobody: the other is asked after that time.
  const other = await haproxy({ SLOTS: '4', READ_TIMEOUT: '8s' });
  proxies.set('HAProxy', other);
  slots = new HaproxyBalancer({ service: 'conduit', socket: join(other.folder, 'haproxy.sock') });
  for (const balancer of [balancerOf(nginx), slots]) {
    const onEvent = (line: string): void => void said.push(line);
    const agent = new EdgeAgent({ registry, service: 'conduit', balancer, resyncMs: 200, onEvent });
    agents.push(agent);
    agent.start();
  }
}, 300_000);
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
  await site?.kill();
  await registry?.close();
  await etcd?.close();
  await databases?.drop();
});

/** Those in etcd that are up, once there are two, and both balancers have them. */
async function both(): Promise<readonly Instance[]> {
  let found: readonly Instance[] = [];
  await until(
    'both to be registered and in the balancers',
    async () => {
      found = (await registry.instances('conduit')).filter(({ state }) => state === 'up');
      const have = agents.map((agent) => agent.status());
      const up = have.map(({ peers = [] }) => peers.filter(({ draining }) => !draining).length);
      return found.length === 2 && have.every(({ inStep }) => inStep) && up.join() === '2,2';
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

/** Requests that a worker has answered since it was started. */
async function answersOf({ opsAddress }: Instance): Promise<number> {
  const text = await (await fetch(`http://${opsAddress}/metrics`)).text();
  const counts = text.matchAll(/^http_server_request_duration_seconds_count\{.*route="\/api\/.*\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Each of them is given requests by who sends them now. */
async function bothAnswer(): Promise<void> {
  const workers = await both();
  const before = await Promise.all(workers.map(answersOf));
  await until(
    'each of them to answer',
    async () => (await Promise.all(workers.map(answersOf))).every((count, at) => count > before[at]! + 5),
    LIMIT_MS,
  );
}

it('each of them is found under its own name, at the address they share, with operations of its own', async () => {
  const found = await both();
  expect(found.map(({ id }) => id)).toEqual(['web-1.1', 'web-1.2']);
  expect(new Set(found.map(({ address }) => address))).toEqual(new Set([new URL(site.url).host]));
  expect(new Set(found.map(({ opsAddress }) => opsAddress)).size).toBe(2);
  for (const { opsAddress } of found) expect((await fetch(`http://${opsAddress}/metrics`)).status).toBe(200);
});

it('HAProxy has a slot for each of them, at the address they share', async () => {
  await both();
  const { host } = new URL(site.url);
  const peer = { id: host, address: host, draining: false };
  expect(await slots.current()).toEqual([peer, peer]);
});

it.each([
  ['killed', 'Nginx', 'SIGKILL'],
  ['told to stop', 'Nginx', 'SIGTERM'],
  ['killed', 'HAProxy', 'SIGKILL'],
  ['told to stop', 'HAProxy', 'SIGTERM'],
] as const)(
  'one after the other is %s behind %s, and only POSTs in flight on a killed one are lost',
  async (_, name, signal) => {
    const traffic = await ConduitTraffic.start(proxies.get(name)!.url);
    await until('traffic', async () => traffic.sent > 20, LIMIT_MS);
    // Nginx keeps its connections to them, so that one that is back gets its share later; HAProxy makes new ones.
    const shareOut = (): Promise<void> => (name === 'HAProxy' ? bothAnswer() : Promise.resolve());
    await shareOut();
    said.length = 0;
    for (const id of ['web-1.1', 'web-1.2']) {
      const { opsAddress } = (await both()).find((one) => one.id === id)!;
      const [ready, pid] = [readyLines(), pids().get(id)];
      process.kill(pid!, signal);
      await site.until('another process in its place', () => readyLines() > ready && pids().get(id) !== pid);
      // What is registered of one that was killed stays until another one takes its place.
      await until(
        'it to be registered anew',
        async () => (await both()).some((one) => one.id === id && one.opsAddress !== opsAddress),
        LIMIT_MS,
      );
      const { sent } = traffic;
      await until('traffic after that', async () => traffic.sent > sent + 20, LIMIT_MS);
      await shareOut();
      // Before it went, it was given nothing new; one that is killed is back sooner than its lease is over.
      const drained = said.filter(
        (line) => line.startsWith(name.toLowerCase()) && line.includes(`${id} (draining)`),
      );
      expect(drained.length).toBe(signal === 'SIGTERM' ? 1 : 0);
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
