// needs: redis, etcd, nginx
import { connect } from 'node:net';
import { operationsSuite } from '../contract/operations.suite.js';
import { until } from '../support/until.js';
import { ClusterProcess } from './support/cluster-process.js';
import { ConduitTraffic } from './support/conduit-traffic.js';

/** `npm run cluster` as people run it: two replicas on two shards with Redis, behind Nginx. */
let cluster: ClusterProcess;

beforeAll(async () => {
  cluster = await new ClusterProcess('--replicas', '2', '--shards', '2', '--redis').ready();
}, 240_000);
afterAll(() => cluster.close());

it('says where everything is', async () => {
  const status = await cluster.whenUp();
  expect(status.map(({ component, state }) => `${component} ${state}`)).toEqual([
    'nginx up',
    'replica-1 up',
    'replica-2 up',
    'postgresql up',
    'etcd up',
    'redis up',
  ]);
  expect(await cluster.rookery('status')).toMatch(/^component +address/);
  await expect(cluster.rookery('kill', '7')).rejects.toThrow(/RK_DEVSTACK_REPLICA_UNKNOWN|no replica 7/);
});

describe('behind Nginx, the contract', () => {
  beforeAll(() => {
    process.env['CONDUIT_URL'] = `${cluster.url}/api`;
  });
  afterAll(() => {
    delete process.env['CONDUIT_URL'];
  });
  operationsSuite({}, 'nginx');
});

it('rolls all replicas without a failed request, and loses and doubles no write', async () => {
  const before = await cluster.replicas();
  const traffic = await ConduitTraffic.start(cluster.url);
  await until('traffic', async () => traffic.sent > 20);
  const said = await cluster.rookery('roll');
  await traffic.stop();
  const { failures, acknowledged, reads } = traffic;
  const seconds = [...said.matchAll(/in ([\d.]+ s)$/gm)].map(([, each]) => each).join(', ');
  process.stderr.write(
    `replicas rolled in ${seconds}; ${failures.length} failed of ${acknowledged.length} POSTs and ${reads} GETs\n`,
  );
  expect(failures).toEqual([]);
  expect(await traffic.faults()).toEqual([]);
  const after = await cluster.replicas();
  expect(after.map(({ state }) => state)).toEqual(['up', 'up']);
  for (const [at, { pid }] of after.entries()) expect(pid).not.toBe(before[at]!.pid);
}, 240_000);

it('a replica that is killed takes only POSTs in flight on it, and comes back', async () => {
  const traffic = await ConduitTraffic.start(cluster.url);
  await until('traffic', async () => traffic.sent > 20);
  const pid = (await cluster.replicas()).at(0)?.pid;
  await cluster.rookery('kill', '1');
  await until('another process in its place', async () => {
    const [first] = await cluster.replicas();
    return first?.state === 'up' && first.pid !== pid;
  });
  const { sent } = traffic;
  await until('traffic after that', async () => traffic.sent > sent + 20);
  await traffic.stop();
  expect(traffic.failures.filter((failure) => !failure.startsWith('POST'))).toEqual([]);
  // Of three lines that write, one request each can have been under way.
  expect(traffic.failures.length).toBeLessThanOrEqual(3);
  expect(await traffic.faults()).toEqual([]);
}, 240_000);

it('Ctrl-C leaves no process, no port and no temporary file behind', async () => {
  const status = await cluster.status();
  expect(cluster.processes().length).toBeGreaterThan(5);
  expect(await cluster.interrupt()).toBe(0);
  expect(cluster.processes()).toEqual([]);
  expect(cluster.leftFiles()).toEqual([]);
  for (const { address } of status) expect(await answers(Number(address.split(':').at(-1)))).toBe(false);
  await expect(cluster.rookery('status')).rejects.toThrow('no cluster runs on');
}, 240_000);

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
