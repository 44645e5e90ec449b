// needs: etcd, nginx, haproxy
import { join } from 'node:path';
import type { Proxy } from '@rookery/devstack/testing';
import { EdgeAgent, HaproxyBalancer, type Instance } from '@rookery/discovery';
import { until } from '../support/until.js';
import { ConduitTraffic } from './support/conduit-traffic.js';
import { balancerOf, haproxy, nginxBefore } from './support/proxies.js';
import { LIMIT_MS, TwoWorkers } from './support/two-workers.js';

/** A replica of two processes on one port (`WORKERS=2`) in a real etcd, behind an Nginx and a HAProxy that agents keep in step. */
const ANSWERS = /^http_server_request_duration_seconds_count\{.*route="\/api\/.*\} (\d+)$/gm;
let workers: TwoWorkers;
const proxies = new Map<string, Proxy>();
const agents: EdgeAgent[] = [];
/** What each agent said, by its balancer. */
const said: string[] = [];
let slots: HaproxyBalancer;

beforeAll(async () => {
  workers = await TwoWorkers.start({ TRUST_PROXY: 'true', READ_AFTER_WRITE_MS: '4000' });
  const { site, registry } = workers;
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
  await workers?.close();
});

/** Whether both balancers have two that are up. */
function areBalanced(): boolean {
  const have = agents.map((agent) => agent.status());
  const up = have.map(({ peers = [] }) => peers.filter(({ draining }) => !draining).length);
  return have.every(({ inStep }) => inStep) && up.join() === '2,2';
}
const both = (): Promise<readonly Instance[]> => workers.both(areBalanced);

it('each of them is found under its own name, at the address they share, with operations of its own', async () => {
  const found = await both();
  expect(found.map(({ id }) => id)).toEqual(['web-1.1', 'web-1.2']);
  expect(new Set(found.map(({ address }) => address))).toEqual(new Set([new URL(workers.site.url).host]));
  expect(new Set(found.map(({ opsAddress }) => opsAddress)).size).toBe(2);
  for (const { opsAddress } of found) expect((await fetch(`http://${opsAddress}/metrics`)).status).toBe(200);
});

it('HAProxy has a slot for each of them, at the address they share', async () => {
  await both();
  const { host } = new URL(workers.site.url);
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
    const shareOut = (): Promise<void> =>
      name === 'HAProxy' ? workers.bothAnswer(ANSWERS) : Promise.resolve();
    await shareOut();
    said.length = 0;
    for (const id of ['web-1.1', 'web-1.2']) {
      await workers.replace(id, signal, areBalanced);
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
  expect(await workers.site.stop()).toMatchObject({ code: 0 });
  expect(await workers.registry.instances('conduit')).toEqual([]);
}, 120_000);
