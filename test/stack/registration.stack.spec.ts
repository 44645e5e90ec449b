// needs: etcd
import { startEtcd, type Etcd, type TestDatabases } from '@rookery/devstack/testing';
import { EtcdRegistry, type Instance } from '@rookery/discovery';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';

/** A replica as a process, in a real etcd: from when to when others find it, and what becomes of it when etcd is away. */
let databases: TestDatabases;
let etcd: Etcd;
let registry: EtcdRegistry;
let site: ChildSite;

beforeAll(async () => {
  await buildIfStale();
  [databases, etcd] = await Promise.all([conduitDatabases(2), startEtcd()]);
  registry = new EtcdRegistry({ endpoints: [etcd.endpoint], callTimeoutMs: 10_000 });
}, 240_000);
afterEach(() => site.kill());
afterAll(async () => {
  await registry.close();
  await etcd.close();
  await databases.drop();
});

function start(environment: Readonly<Record<string, string>> = {}): ChildSite {
  site = new ChildSite({
    SHARD_URLS: databases.urls.join(','),
    JWT_SECRET: 'a secret that is long enough for HS256',
    NODE_ENV: 'production',
    ETCD_ENDPOINTS: etcd.endpoint,
    REPLICA_ID: 'web-1',
    LOG_LEVEL: 'warn',
    DRAIN_DELAY_MS: '1000',
    ...environment,
  });
  return site;
}

interface Health {
  readonly status: string;
  readonly details: Readonly<Record<string, { readonly status: string }>>;
}

const statusOf = (url: string) =>
  fetch(url, { signal: AbortSignal.timeout(20_000) }).then(({ status }) => status);
const host = (url: string) => new URL(url).host;

it('is found where it listens, says first that it stops, and is gone when it has', async () => {
  const seen: (Instance['state'] | undefined)[] = [];
  let whileDraining: Promise<number> | undefined;
  const watch = registry.watch('conduit', ({ instances: [replica] }) => {
    seen.push(replica?.state);
    if (replica?.state === 'draining') whileDraining ??= statusOf(`${site.url}/api/tags`);
  });
  // Time to ask it while it drains, even for a test that is held up.
  await start({ GRPC_PORT: '0', DRAIN_DELAY_MS: '4000' }).ready();
  await until('it to be registered', async () => (await registry.instances('conduit')).length === 1);
  const [replica] = await registry.instances('conduit');
  expect(replica).toMatchObject({
    id: 'web-1',
    address: host(site.url),
    opsAddress: host(site.opsUrl),
    state: 'up',
    metadata: { grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string },
  });
  expect(await site.stop()).toMatchObject({ code: 0 });
  expect(await whileDraining).toBe(200);
  // Not only when its lease has run out, ten seconds later.
  expect(await registry.instances('conduit')).toEqual([]);
  expect(seen).toContain('draining');
  watch.stop();
}, 120_000);

it('is found by the name that it was given', async () => {
  await start({ HOST: '0.0.0.0', ADVERTISE_HOST: 'web-1.internal' }).ready();
  await until('it to be registered', async () => (await registry.instances('conduit')).length === 1);
  const [replica] = await registry.instances('conduit');
  expect(replica!.address).toBe(`web-1.internal:${new URL(site.url).port}`);
  expect(await site.stop()).toMatchObject({ code: 0 });
}, 120_000);

it('starts, serves and stops without etcd, and is registered when that is back', async () => {
  await etcd.stop();
  await start().ready();
  expect(await statusOf(`${site.url}/health/ready`)).toBe(200);
  const health = async () => {
    const text = await (await fetch(`${site.opsUrl}/health`)).text();
    return (JSON.parse(text) as Health).details['discovery']?.status;
  };
  await until('health to say so', async () => (await health()) === 'degraded');
  await etcd.start();
  await until('it to be registered', () =>
    registry.instances('conduit').then(
      ({ length }) => length === 1,
      () => false,
    ),
  );
  await until('health to say so', async () => (await health()) === 'up');
  await etcd.stop();
  await until('health to say so', async () => (await health()) === 'degraded');
  const { code, tookMs } = await site.stop();
  expect(code).toBe(0);
  // The drain delay, and at most one call that nobody answers; not each of the calls until the limit of a stop.
  expect(tookMs).toBeLessThan(15_000);
  await etcd.start();
}, 120_000);
