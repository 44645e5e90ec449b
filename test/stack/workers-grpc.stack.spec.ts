// needs: etcd
import { join } from 'node:path';
import type { Instance } from '@rookery/discovery';
import { loadProto, registeredInstances, RpcClient, type UnaryMethod } from '@rookery/rpc';
import { root } from '../../scripts/build-if-stale.mjs';
import { until } from '../support/until.js';
import { LIMIT_MS, TwoWorkers } from './support/two-workers.js';

/** gRPC of a replica of two processes (`WORKERS=2`), called by another service that finds them in a real etcd. */
/** Of their metrics: calls that they have answered. */
const CALLS = /^rpc_server_duration_seconds_count\{.*\} (\d+)$/gm;
interface Articles {
  listArticles: UnaryMethod<{ pageSize: number }, object>;
}

let workers: TwoWorkers;
let caller: RpcClient;
const failures: string[] = [];
let answered = 0;
let calling = true;
const lines: Promise<void>[] = [];

beforeAll(async () => {
  workers = await TwoWorkers.start({
    GRPC_PORT: '0',
    // Of a call that waits while the machine does something else.
    REQUEST_DEADLINE_MS: '60000',
  });
  caller = await RpcClient.open({
    service: 'conduit',
    instances: registeredInstances(workers.registry, 'conduit'),
    proto: loadProto(join(root, 'src/rpc/proto/conduit.proto')),
    deadlineMs: 60_000,
  });
  await workers.both();
  lines.push(call(), call());
}, 300_000);
afterAll(async () => {
  calling = false;
  await Promise.all(lines);
  await caller?.close();
  await workers?.close();
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

const grpcOf = ({ metadata }: Instance): string | undefined => metadata?.['grpc'];

it('each of them is registered with a port of its own, and a caller has them take turns', async () => {
  const addresses = (await workers.both()).map(grpcOf);
  expect(addresses).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/), expect.any(String)]);
  expect(new Set(addresses).size).toBe(2);
  await workers.bothAnswer(CALLS);
});

it.each([
  ['killed', 'SIGKILL'],
  ['told to stop', 'SIGTERM'],
] as const)(
  'one that is %s is passed over, and takes its turns again once it is back',
  async (_, signal) => {
    await workers.replace('web-1.1', signal);
    await workers.bothAnswer(CALLS);
    expect(failures).toEqual([]);
  },
  240_000,
);

it('all stop in order under calls, and none is lost that began before', async () => {
  const before = answered;
  const stopped = workers.site.stop();
  await until('calls while they drain', async () => answered > before + 20, LIMIT_MS);
  calling = false;
  await Promise.all(lines);
  expect(await stopped).toMatchObject({ code: 0 });
  expect(failures).toEqual([]);
}, 120_000);
