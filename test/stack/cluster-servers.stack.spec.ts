// needs: redis, etcd, nginx, kafka
import { until } from '../support/until.js';
import { ClusterProcess, type Component } from './support/cluster-process.js';
import { ConduitTraffic } from './support/conduit-traffic.js';
import { Etcdctl } from './support/etcdctl.js';
import { ask } from './support/traffic.js';

/** Servers of `npm run cluster` that die by themselves: a SIGKILL from outside. */
let cluster: ClusterProcess;

beforeAll(async () => {
  cluster = await new ClusterProcess('--replicas', '2', '--shards', '2', '--redis', '--kafka').ready();
}, 240_000);
afterAll(() => cluster.close());

const find = async (name: string): Promise<Component> =>
  (await cluster.status()).find(({ component }) => component === name)!;
const said = (pattern: RegExp): number => cluster.out.split('\n').filter((line) => pattern.test(line)).length;

/** Kills it, and resolves when another process is in its place. */
async function dies(name: string): Promise<Component> {
  const before = await find(name);
  process.kill(before.pid!, 'SIGKILL');
  let now = before;
  await until(`${name} to be back`, async () => {
    now = await find(name);
    return now.state === 'up' && now.pid !== undefined && now.pid !== before.pid;
  });
  expect(now.address).toBe(before.address);
  return now;
}

describe.each(['etcd', 'kafka', 'redis', 'nginx'])('%s, when it is killed', (name) => {
  it('comes back where it was, is told of, and the site serves as before', async () => {
    await dies(name);
    expect(said(new RegExp(`${name} ended with SIGKILL; started again in 0.5 s$`))).toBe(1);
    expect(said(new RegExp(`${name} is back after [\\d.]+ s$`))).toBe(1);
    expect(await cluster.rookery('status')).toMatch(
      new RegExp(`^${name} .* up .*ended by itself: 1 ×$`, 'm'),
    );
    // Writes, and what is read from what their events made of them.
    const traffic = await ConduitTraffic.start(cluster.url);
    await until('traffic', async () => traffic.acknowledged.length > 10 && traffic.reads > 10);
    await traffic.stop();
    expect(await traffic.faults()).toEqual([]);
  }, 240_000);
});

it('etcd has its data, and replicas come and go by it as before', async () => {
  const ctl = new Etcdctl((await find('etcd')).address);
  await ctl.put('/of-a-test', 'kept');
  await dies('etcd');
  expect(await ctl.get('/of-a-test')).toBe('kept');
  await cluster.rookery('roll');
  expect((await cluster.whenUp()).filter(({ component }) => component.startsWith('replica-'))).toHaveLength(
    2,
  );
}, 480_000);

it('one that dies again and again is given up, and the rest goes on', async () => {
  const log =
    /redis ended with SIGKILL; 5 times within a minute: it is not started again, its log is (\S+)$/m;
  await until(
    'redis to be given up',
    async () => {
      const { pid, state } = await find('redis');
      if (state === 'up' && pid !== undefined) process.kill(pid, 'SIGKILL');
      return log.test(cluster.out);
    },
    120_000,
  );
  expect(await find('redis')).toMatchObject({
    state: 'failed',
    note: expect.stringContaining(log.exec(cluster.out)![1]!) as string,
  });
  expect((await ask(`${cluster.url}/api/tags`)).status).toBe(200);
  expect((await find('kafka')).state).toBe('up');
}, 240_000);

it('Ctrl-C while one of them is away starts nothing, and leaves nothing behind', async () => {
  process.kill((await find('etcd')).pid!, 'SIGKILL');
  const back = said(/etcd is back/);
  await until('its death to be seen', async () => said(/etcd ended with/) > back);
  expect(await cluster.interrupt()).toBe(0);
  expect(said(/etcd is back/)).toBeLessThanOrEqual(back + 1);
  expect(cluster.processes()).toEqual([]);
  expect(cluster.leftFiles()).toEqual([]);
}, 240_000);
