// needs: redis, etcd, nginx, kafka, prometheus
import { join } from 'node:path';
import { EtcdRegistry } from '@rookery/discovery';
import { PrometheusMeter } from '@rookery/observability';
import { loadProto, registeredInstances, RpcClient, type UnaryMethod } from '@rookery/rpc';
import { root } from '../../scripts/build-if-stale.mjs';
import { serveMetrics, type MetricsServer } from '../../src/cluster/index.js';
import { rules } from '../deploy/boards.js';
import { until } from '../support/until.js';
import { asksFor, boardQuestions, unanswered, variablesWithoutValues } from './support/board-questions.js';
import { ClusterProcess } from './support/cluster-process.js';
import { driveSite } from './support/drive-site.js';
import { Prometheus } from './support/prometheus.js';
import { NOT_IN_A_CLUSTER, NOT_IN_ONE_SITE, SELDOM, SILENT_PANELS } from './support/silent-metrics.js';

/** The boards over a cluster that has every part they speak of, in use and while its replicas are replaced. */
const LIMIT_MS = 240_000;

interface Profiles {
  getProfile: UnaryMethod<{ username: string }, object>;
}

let cluster: ClusterProcess;
let registry: EtcdRegistry;
let caller: RpcClient;
let callerMetrics: MetricsServer;
const prometheus = new Prometheus();
const traffic = new AbortController();
let driven: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  cluster = await new ClusterProcess('--replicas', '2', '--shards', '2', '--redis', '--kafka').ready();
  const etcd = (await cluster.whenUp()).find(({ component }) => component === 'etcd')!;
  const meter = new PrometheusMeter();
  registry = new EtcdRegistry({ endpoints: [etcd.address], meter });
  caller = await RpcClient.open({
    service: 'conduit',
    instances: registeredInstances(registry, 'conduit'),
    proto: loadProto(join(root, 'src/rpc/proto/conduit.proto')),
    meter,
  });
  callerMetrics = await serveMetrics(meter);
  await prometheus.start({ clusterFolder: cluster.folderOfData, others: { caller: callerMetrics.address } });
  driven = Promise.all([driveSite(cluster.url, traffic.signal), call(traffic.signal)]);
}, LIMIT_MS);
afterAll(async () => {
  traffic.abort();
  await driven;
  await caller?.close();
  await callerMetrics?.close();
  await registry?.close();
  await prometheus.stop();
  await cluster?.close();
}, LIMIT_MS);

/** Another service, that asks for profiles. */
async function call(signal: AbortSignal): Promise<void> {
  const profiles = caller.stub<Profiles>('conduit.v1.Profiles');
  for (let i = 0; !signal.aborted; i++) {
    await Promise.allSettled([
      profiles.getProfile({ username: `author${i % 3}` }),
      new Promise((resolve) => setTimeout(resolve, 100)),
    ]);
  }
}

it('is followed by Prometheus, replica by replica, and the edge agent beside them', async () => {
  const up = async (job: string) => prometheus.query(`up{job="${job}"} == 1`);
  await until('all to be asked', async () => {
    const found = await Promise.all(['conduit', 'conduit-edge', 'caller'].map(up));
    return found.map(({ length }) => length).join() === '2,1,1';
  });
});

it(
  'shows how replicas are replaced',
  async () => {
    await cluster.rookery('roll');
    // Each was seen to drain, none was lost to the registry, and the balancer was told.
    const seen = async (expr: string) => Math.max(...(await prometheus.query(expr)));
    expect(
      await seen(
        'max_over_time(max(rookery_discovery_instances{job="conduit-edge",service="conduit",state="draining"})[5m:1s])',
      ),
    ).toBe(1);
    expect(await seen('max_over_time(rookery_edge_peers{job="conduit-edge",state="draining"}[5m])')).toBe(1);
    await until('the new replicas to be asked, and the old ones not', async () => {
      const starts = await prometheus.query('up{job="conduit"}');
      return starts.join() === '1,1';
    });
    expect(await prometheus.ruleFaults()).toEqual([]);
  },
  LIMIT_MS,
);

it(
  'answers what each panel of each board asks',
  async () => {
    const silent = { ...NOT_IN_A_CLUSTER, ...SELDOM };
    await unanswered(
      prometheus,
      boardQuestions(),
      (name, expr) => name in SILENT_PANELS || asksFor(expr, silent),
    );
  },
  LIMIT_MS,
);

it('says of no metric that neither a site nor a cluster would tell of it', () => {
  expect(Object.keys(NOT_IN_A_CLUSTER).filter((name) => name in NOT_IN_ONE_SITE)).toEqual([]);
});

it('gives each variable of the boards something to choose', async () => {
  expect(await variablesWithoutValues(prometheus)).toEqual([]);
});

it('records what the rules record', async () => {
  const recorded = Object.values(rules())
    .flat()
    .flatMap(({ record }) => (record === undefined ? [] : [[record, record] as const]));
  expect(await unanswered(prometheus, recorded, () => false)).toEqual([]);
});
