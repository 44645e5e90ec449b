// needs: redis, etcd, nginx, kafka, haproxy
import { discrepancies, readModelFaults, unhandled } from '../support/leftovers.js';
import { until } from '../support/until.js';
import { ClusterProcess } from './support/cluster-process.js';
import { ConduitTraffic } from './support/conduit-traffic.js';
import { ask } from './support/traffic.js';

/** All that `npm run cluster` can start. */
let cluster: ClusterProcess;

beforeAll(async () => {
  cluster = await new ClusterProcess(
    ...['--replicas', '2', '--shards', '2', '--redis', '--kafka', '--haproxy'],
  ).ready();
}, 240_000);
afterAll(() => cluster.close());

it('rolls without a failed request, and no event is lost or applied twice', async () => {
  const traffic = await ConduitTraffic.start(cluster.url);
  await until('traffic', async () => traffic.sent > 20);
  await cluster.rookery('roll');
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  expect(await traffic.faults()).toEqual([]);
  const { urls, release } = await cluster.databases(2);
  await until('all events to be handled', async () => (await unhandled(urls)).length === 0);
  expect([...(await discrepancies(urls)), ...(await readModelFaults(urls))]).toEqual([]);
  await release();
}, 240_000);

it('scales, and HAProxy follows as Nginx does', async () => {
  await cluster.rookery('scale', '3');
  const status = await cluster.whenUp();
  expect(status.map(({ component, state }) => `${component} ${state}`)).toEqual([
    'nginx up',
    'haproxy up',
    'replica-1 up',
    'replica-2 up',
    'replica-3 up',
    'postgresql up',
    'etcd up',
    'kafka up',
    'redis up',
  ]);
  const haproxy = status.find(({ component }) => component === 'haproxy')!;
  expect(await ask(`${haproxy.address}/api/tags`)).toMatchObject({ status: 200 });
  await cluster.rookery('scale', '1');
  expect(await cluster.replicas()).toHaveLength(1);
  expect(await ask(`${haproxy.address}/api/tags`)).toMatchObject({ status: 200 });
  expect(await ask(`${cluster.url}/api/tags`)).toMatchObject({ status: 200 });
}, 240_000);
