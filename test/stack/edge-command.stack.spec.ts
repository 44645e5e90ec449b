// needs: etcd, nginx
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startEtcd, type Etcd, type Proxy } from '@rookery/devstack/testing';
import { EtcdRegistry } from '@rookery/discovery';
import { buildIfStale, root } from '../../scripts/build-if-stale.mjs';
import { until } from '../support/until.js';
import { PlainReplica } from './support/plain-replica.js';
import { nginxBefore } from './support/proxies.js';
import { Traffic } from './support/traffic.js';

/** Starting it is most of it, on a machine that does other things as well. */
const LIMIT_MS = 90_000;

/** `rookery edge run` as deploy/systemd starts it: of the built site, without any of the site's variables. */
let etcd: Etcd;
let nginx: Proxy;
let replicas: PlainReplica[];
let registry: EtcdRegistry;
const children: ChildProcess[] = [];

beforeAll(async () => {
  await buildIfStale();
  etcd = await startEtcd();
  replicas = await Promise.all(['one', 'two'].map((name) => PlainReplica.start(name)));
  nginx = await nginxBefore(replicas);
  registry = new EtcdRegistry({ endpoints: [etcd.endpoint], callTimeoutMs: 10_000 });
}, 240_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await registry?.close();
  await nginx?.close();
  await Promise.all((replicas ?? []).map((replica) => replica.close()));
  await etcd?.close();
});

function edge(...args: readonly string[]) {
  const child = spawn(process.execPath, [join(root, 'dist/src/cli.js'), 'edge', 'run', ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  return { child, said, ended: once(child, 'close').then(([code]) => code as number | null) };
}

it('keeps Nginx in step with etcd under traffic, and leaves it as it is when it is stopped', async () => {
  const [one, two] = await Promise.all(replicas.map(({ instance }) => registry.register(instance)));
  const agent = edge('--etcd', etcd.endpoint, '--nginx', nginx.folder);
  await until('both to be there', async () => agent.said.out.includes('nginx has one, two'), LIMIT_MS);
  const traffic = new Traffic(nginx.url, 4);
  await one!.changeState('draining');
  await until('one to drain', async () => agent.said.out.includes('nginx has one (draining), two'), LIMIT_MS);
  await one!.deregister();
  await until('one to be gone', async () => /nginx has two$/m.test(agent.said.out), LIMIT_MS);
  agent.child.kill('SIGTERM');
  expect(await agent.ended).toBe(0);
  expect(agent.said).toEqual({
    out: expect.stringMatching(
      /^keeping nginx in step with conduit by etcd\n[^]*\nstopped; nginx keeps what it has\n$/,
    ) as string,
    err: '',
  });
  await two!.changeState('draining');
  const upstream = await readFile(join(nginx.folder, 'upstream.conf'), 'utf8');
  expect(upstream).toContain(replicas[1]!.address);
  expect(upstream).not.toMatch(/ down;/);
  const { answered } = traffic;
  await until('answers after that', async () => traffic.answered > answered + 20, LIMIT_MS);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
}, 240_000);

it('serves what it measures and how it is where it is told to, until it has stopped', async () => {
  const one = await registry.register(replicas[0]!.instance);
  const agent = edge('--etcd', etcd.endpoint, '--nginx', nginx.folder, '--ops', '127.0.0.1:0');
  const address = (): string | undefined => /^operations are at (http:\S+)$/m.exec(agent.said.out)?.[1];
  await until('the address', async () => address() !== undefined, LIMIT_MS);
  const get = (path: string) => fetch(address()! + path, { signal: AbortSignal.timeout(LIMIT_MS) });
  await until('it to be in step', async () => {
    const { details } = (await (await get('/health')).json()) as {
      details: Record<string, { status: string }>;
    };
    return details['edge']?.status === 'up' && details['discovery']?.status === 'up';
  });
  const metrics = await (await get('/metrics')).text();
  for (const line of [
    /^rookery_edge_peers\{balancer="nginx",state="in step"\} 1$/m,
    /^rookery_edge_applies_total\{balancer="nginx",outcome="refused"\} 0$/m,
    /^rookery_discovery_instances\{service="conduit",state="up"\} 1$/m,
    /^process_start_time_seconds \d/m,
  ])
    expect(metrics).toMatch(line);
  expect((await get('/health/live')).status).toBe(200);
  const ready = await get('/health/ready');
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: 'ok', indicators: { discovery: 'ok', edge: 'ok' } },
  ]);
  // One replica that drains is nobody to route to: the balancer keeps what it has, and takes traffic.
  await one.changeState('draining');
  await until('it to be out of step', async () => {
    const { status, indicators } = (await (await get('/health/ready')).json()) as {
      status: string;
      indicators: Record<string, string>;
    };
    return status === 'degraded' && indicators['edge'] === 'degraded';
  });
  expect((await get('/health/ready')).status).toBe(200);

  const second = edge('--etcd', etcd.endpoint, '--nginx', nginx.folder, '--ops', new URL(address()!).host);
  expect(await second.ended).toBe(1);
  expect(second.said.err).toMatch(/^rookery: port \d+ of 127\.0\.0\.1 is taken: set --ops to another.*\n$/);
  agent.child.kill('SIGTERM');
  expect(await agent.ended).toBe(0);
  expect(agent.said.err).toBe('');
  await one.deregister();
}, 240_000);

it('waits for an etcd that is away, says so once, and ends in order all the same', async () => {
  const agent = edge('--etcd', '127.0.0.1:1', '--nginx', nginx.folder);
  await until('it to say so', async () => /does not answer/.test(agent.said.out), LIMIT_MS);
  // With nothing to hold it, a process ends by itself.
  expect(await Promise.race([agent.ended, pause(1_000, 'waits on')])).toBe('waits on');
  agent.child.kill('SIGINT');
  expect(await agent.ended).toBe(0);
  expect(agent.said.err).toBe('');
}, 120_000);

it('ends with 2 or 78 and one line for what cannot work', async () => {
  const unclear = edge('--nginx', nginx.folder);
  const wrong = edge('--etcd', 'nonsense', '--nginx', nginx.folder);
  expect(await Promise.all([unclear.ended, wrong.ended])).toEqual([2, 78]);
  expect(unclear.said.err).toMatch(/^rookery: say where etcd is: .*\n$/);
  expect(wrong.said.err).toMatch(/^rookery: .* 'nonsense' is no host:port \(RK_DISCOVERY_BAD_OPTIONS\)\n$/);
}, 120_000);
