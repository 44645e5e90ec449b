// needs: etcd
import { join } from 'node:path';
import { startEtcd, type Etcd, type TestDatabases } from '@rookery/devstack/testing';
import { EtcdRegistry, type Instance } from '@rookery/discovery';
import { loadProto, registeredInstances, RpcClient, type UnaryMethod } from '@rookery/rpc';
import { buildIfStale, root } from '../../scripts/build-if-stale.mjs';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';

/** gRPC of a replica of two processes (`WORKERS=2`), called by another service that finds them in a real etcd. */
const LIMIT_MS = 90_000;
interface Articles {
  listArticles: UnaryMethod<{ pageSize: number }, object>;
}

let databases: TestDatabases;
let etcd: Etcd;
let registry: EtcdRegistry;
let site: ChildSite;
let caller: RpcClient;
const failures: string[] = [];
let answered = 0;
let calling = true;
const lines: Promise<void>[] = [];

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
    GRPC_PORT: '0',
    DRAIN_DELAY_MS: '4000',
    // Of a call that waits while the machine does something else.
    REQUEST_DEADLINE_MS: '60000',
  });
  await site.ready();
  caller = await RpcClient.open({
    service: 'conduit',
    instances: registeredInstances(registry, 'conduit'),
    proto: loadProto(join(root, 'src/rpc/proto/conduit.proto')),
    deadlineMs: 60_000,
  });
  await both();
  lines.push(call(), call());
}, 300_000);
afterAll(async () => {
  calling = false;
  await Promise.all(lines);
  await caller?.close();
  await site?.kill();
  await registry?.close();
  await etcd?.close();
  await databases?.drop();
});

async function call(): Promise<void> {
  const articles = caller.stub<Articles>('conduit.v1.Articles');
  while (calling) {
    await articles.listArticles({ pageSize: 1 }).then(
      () => (answered += 1),
      (error: Error) => failures.push(String(error)),
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Those that are up, once there are two. */
async function both(): Promise<readonly Instance[]> {
  let found: readonly Instance[] = [];
  await until(
    'both to be registered',
    async () => {
      found = (await registry.instances('conduit')).filter(({ state }) => state === 'up');
      return found.length === 2;
    },
    LIMIT_MS,
  );
  return found;
}

const grpcOf = ({ metadata }: Instance): string | undefined => metadata?.['grpc'];

/** Calls that a worker has answered since it was started. */
async function callsOf({ opsAddress }: Instance): Promise<number> {
  const text = await (await fetch(`http://${opsAddress}/metrics`)).text();
  const counts = [...text.matchAll(/^rpc_server_duration_seconds_count\{.*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Each of them answers more calls than it has by now. */
async function bothAnswer(): Promise<void> {
  const workers = await both();
  const before = await Promise.all(workers.map(callsOf));
  await until(
    'each of them to answer calls',
    async () => (await Promise.all(workers.map(callsOf))).every((count, at) => count > before[at]! + 5),
    LIMIT_MS,
  );
}

it('each of them is registered with a port of its own, and a caller has them take turns', async () => {
  const addresses = (await both()).map(grpcOf);
  expect(addresses).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/), expect.any(String)]);
  expect(new Set(addresses).size).toBe(2);
  await bothAnswer();
});

it.each([
  ['killed', 'SIGKILL'],
  ['told to stop', 'SIGTERM'],
] as const)(
  'one that is %s is passed over, and takes its turns again once it is back',
  async (_, signal) => {
    const [first] = await both();
    const pid = site.log.findLast(
      (line) =>
        line['service.node.name'] === first!.id && String(line['message']).startsWith('Conduit is ready'),
    )!['process.pid'];
    const ready = site.readyLines.length;
    process.kill(Number(pid), signal);
    await site.until('another process in its place', () => site.readyLines.length > ready);
    await until(
      'it to be registered again',
      async () => {
        const again = (await both()).find(({ id }) => id === first!.id);
        return again !== undefined && again.opsAddress !== first!.opsAddress;
      },
      LIMIT_MS,
    );
    await bothAnswer();
    expect(failures).toEqual([]);
  },
  240_000,
);

it('all stop in order under calls, and none is lost that began before', async () => {
  const before = answered;
  const stopped = site.stop();
  await until('calls while they drain', async () => answered > before + 20, LIMIT_MS);
  calling = false;
  await Promise.all(lines);
  expect(await stopped).toMatchObject({ code: 0 });
  expect(failures).toEqual([]);
}, 120_000);
