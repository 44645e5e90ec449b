// needs: etcd, nginx
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startEtcd, type Etcd, type Proxy } from '@rookery/devstack/testing';
import {
  discoveryErrors,
  EdgeAgent,
  EtcdRegistry,
  StaticRegistry,
  type EdgeAgentOptions,
  type Registration,
} from '@rookery/discovery';
import { eventually } from '@rookery/discovery/testing';
import { PlainReplica } from './support/plain-replica.js';
import { balancerOf, nginxBefore } from './support/proxies.js';
import { ask, Traffic } from './support/traffic.js';

/** A real Nginx before two servers, and the agent that follows the registry. */
let one: PlainReplica;
let two: PlainReplica;
let nginx: Proxy;
let traffic: Traffic | undefined;
let agents: EdgeAgent[] = [];
const lines: string[] = [];

const agentOn = (registry: EdgeAgentOptions['registry'], more: Partial<EdgeAgentOptions> = {}): EdgeAgent => {
  const agent = new EdgeAgent({
    registry,
    service: 'conduit',
    balancer: balancerOf(nginx),
    resyncMs: 200,
    onEvent: (line) => lines.push(line),
    ...more,
  });
  agents.push(agent);
  agent.start();
  return agent;
};
const inStep = (agent: EdgeAgent) => (): boolean => agent.status().inStep;
const addresses = (agent: EdgeAgent): string[] | undefined =>
  agent.status().peers?.map(({ address, draining }) => `${address}${draining ? ' draining' : ''}`);
const drains =
  (agent: EdgeAgent, { address }: PlainReplica) =>
  (): boolean =>
    inStep(agent)() && (addresses(agent)?.includes(`${address} draining`) ?? false);
const upstream = (): Promise<string> => readFile(join(nginx.folder, 'upstream.conf'), 'utf8');
/** So much traffic has come through since, and none of it has failed. */
const served = async (count: number): Promise<void> => {
  const before = traffic!.answered;
  await eventually(`${count} answers`, () => traffic!.answered >= before + count);
};

beforeEach(async () => {
  lines.length = 0;
  [one, two] = await Promise.all([PlainReplica.start('one'), PlainReplica.start('two')]);
  nginx = await nginxBefore([one, two]);
});
afterEach(async () => {
  await traffic?.stop();
  traffic = undefined;
  await Promise.all(agents.map((agent) => agent.stop()));
  agents = [];
  await nginx.close();
  await Promise.all([one.close(), two.close()]);
});

describe('under traffic', () => {
  it('a replica drains, leaves and comes back, ten times, and no request fails', async () => {
    const registry = new StaticRegistry([one.instance, two.instance]);
    const agent = agentOn(registry);
    await eventually('the agent to be in step', inStep(agent));
    traffic = new Traffic(nginx.url);
    for (let round = 0; round < 10; round += 1) {
      const [leaves, stays] = round % 2 === 0 ? [one, two] : [two, one];
      registry.replace([{ ...leaves.instance, state: 'draining' }, stays.instance]);
      await eventually('it to drain', drains(agent, leaves));
      // What old workers had taken may still come to it; after that, nothing does, and it may go.
      await traffic.turnover();
      leaves.seen.length = 0;
      await served(20);
      expect(leaves.seen).toEqual([]);
      await leaves.close();
      await served(20);
      await leaves.listen();
      registry.replace([leaves.instance, stays.instance]);
      const came = traffic.by.get(leaves.name) ?? 0;
      await eventually('it to be in use', () => (traffic!.by.get(leaves.name) ?? 0) > came);
    }
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
    await registry.close();
  });

  it('a replica that dies takes nothing with it but what may not be repeated and was on its way', async () => {
    traffic = new Traffic(nginx.url);
    await served(50);
    await one.die();
    await served(100);
    await traffic.stop();
    expect(traffic.failures.every((failure) => failure.startsWith('POST: 502'))).toBe(true);
    // One for each line of the traffic at most.
    expect(traffic.failures.length).toBeLessThanOrEqual(8);
  });

  it('fifty reloads lose nothing', async () => {
    const registry = new StaticRegistry([one.instance, two.instance]);
    const agent = agentOn(registry, { settleMs: 0 });
    await eventually('the agent to be in step', inStep(agent));
    traffic = new Traffic(nginx.url, 4);
    const before = agent.status().applied;
    for (let reload = 1; reload <= 50; reload += 1) {
      const state = reload % 2 === 0 ? 'up' : 'draining';
      registry.replace([one.instance, { ...two.instance, state }]);
      await eventually(`reload ${reload}`, () => agent.status().applied === before + reload);
    }
    await traffic.stop();
    expect(traffic.answered).toBeGreaterThan(50);
    expect(traffic.failures).toEqual([]);
    await registry.close();
  });
});

it('when it has been told, no request goes the old way any more', async () => {
  const balancer = balancerOf(nginx);
  const { signal } = new AbortController();
  const peers = (draining: boolean) =>
    [one, two].map(({ name, address }) => ({ id: name, address, draining: draining && name === 'two' }));
  for (let round = 0; round < 10; round += 1) {
    await balancer.apply(peers(false), signal);
    await balancer.apply(peers(true), signal);
    two.seen.length = 0;
    await Promise.all(Array.from({ length: 30 }, () => ask(nginx.url)));
    expect(two.seen).toEqual([]);
  }
});

describe('what must not reach Nginx', () => {
  it('a file that it refuses: it goes on with the old one, and takes the next good one', async () => {
    const registry = new StaticRegistry([one.instance, two.instance]);
    const agent = agentOn(registry);
    await eventually('the agent to be in step', inStep(agent));
    const [before, pid] = [await upstream(), nginx.pid];
    registry.replace([one.instance, { ...two.instance, address: '[1::2::3]:80' }]);
    await eventually('the refusal', () => lines.some((line) => line.includes('invalid IPv6 address')));
    expect(lines.at(-1)).toContain('the old ones stay');
    expect(await upstream()).toBe(before);
    // It tries again now and then, and has the file there while it does.
    await eventually('nothing to be left of it', async () =>
      (await readdir(nginx.folder)).every((file) => !file.includes('.next')),
    );
    expect((await ask(nginx.url)).status).toBe(200);
    expect(await agent.health.check(100)).toMatchObject({ status: 'degraded' });
    registry.replace([one.instance]);
    await eventually('the next one', () => inStep(agent)() && addresses(agent)?.join() === one.address);
    expect(nginx.pid).toBe(pid);
    await registry.close();
  });

  it('an upstream without a replica that is up: the last one stays, and the agent says so', async () => {
    const registry = new StaticRegistry([one.instance, two.instance], { graceMs: 200 });
    const agent = agentOn(registry);
    await eventually('the agent to be in step', inStep(agent));
    const before = await upstream();
    registry.replace([]);
    await eventually('the agent to say so', () => lines.at(-1)!.includes('keeps what it has'));
    expect(await upstream()).toBe(before);
    expect(agent.status()).toMatchObject({ inStep: false });
    registry.replace([{ ...one.instance, state: 'draining' }]);
    await pause(500);
    expect(await upstream()).toBe(before);
    expect((await ask(nginx.url)).status).toBe(200);
    registry.replace([two.instance]);
    await eventually('the next one', () => inStep(agent)() && addresses(agent)?.join() === two.address);
    await registry.close();
  });

  it('a configuration that somebody has broken elsewhere', async () => {
    const registry = new StaticRegistry([one.instance, two.instance]);
    const agent = agentOn(registry);
    await eventually('the agent to be in step', inStep(agent));
    const site = join(nginx.folder, 'site.conf');
    const good = await readFile(site, 'utf8');
    await writeFile(site, `${good}\nnonsense;\n`);
    registry.replace([one.instance]);
    await eventually('the refusal', () => lines.some((line) => line.includes('nonsense')));
    expect((await ask(nginx.url)).status).toBe(200);
    await writeFile(site, good);
    await eventually('the next try', inStep(agent));
    expect(addresses(agent)).toEqual([one.address]);
    await registry.close();
  });
});

it('a burst of changes is a few reloads', async () => {
  const registry = new StaticRegistry([one.instance]);
  const agent = agentOn(registry, { settleMs: 500, settleLimitMs: 20_000 });
  await eventually('the agent to be in step', inStep(agent));
  const before = agent.status().applied;
  for (let n = 0; n < 100; n += 1) {
    registry.replace(n % 2 === 0 ? [one.instance, two.instance] : [two.instance]);
    if (n % 10 === 0) await pause(10);
  }
  registry.replace([two.instance]);
  await eventually('the last one', () => inStep(agent)() && addresses(agent)?.join() === two.address);
  // One; or a few, where this process was held up for longer than the settle time, but not one for each change.
  expect(agent.status().applied - before).toBeLessThanOrEqual(5);
  await registry.close();
});

it('an Nginx that is away or frozen gets the file later, when it is there', async () => {
  const registry = new StaticRegistry([one.instance, two.instance]);
  const balancer = balancerOf(nginx);
  const agent = agentOn(registry, { balancer });
  await eventually('the agent to be in step', inStep(agent));
  await nginx.kill();
  registry.replace([two.instance]);
  await eventually('the agent to say so', () => lines.at(-1)!.includes('cannot be reached'));
  // It may have said so of the old replicas, before it had settled on the new ones.
  await eventually('the file to be there', async () => !(await upstream()).includes(one.address));
  await nginx.start();
  expect(await ask(nginx.url)).toMatchObject({ status: 200, body: 'two' });
  await eventually('the agent to be in step', inStep(agent));
  const abort = new AbortController();
  nginx.freeze();
  const frozen = balancer.apply([{ id: 'one', address: one.address, draining: false }], abort.signal);
  const outcome = frozen.catch((error: unknown) => error);
  await pause(300);
  abort.abort();
  expect(await outcome).toMatchObject({ name: 'AbortError' });
  nginx.thaw();
  await eventually('the agent to mend it', async () => (await upstream()).includes(two.address));
  await registry.close();
});

describe('with etcd', () => {
  let etcd: Etcd;
  let registry: EtcdRegistry;
  let registered: Registration[];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    etcd = await startEtcd();
    registry = new EtcdRegistry({ endpoints: [etcd.endpoint], callTimeoutMs: 10_000, listIntervalMs: 300 });
    registered = await Promise.all([one, two].map(({ instance }) => registry.register(instance)));
    await eventually('both to be registered', () => registered.every((each) => each.registered));
  });
  afterEach(async () => {
    await Promise.all(children.splice(0).map(ended));
    await registry.close();
    await etcd.close();
  });

  const edgeProcess = async (): Promise<{ child: ChildProcess; said: () => string }> => {
    const args = ['--import', './scripts/run-source.mjs', 'test/stack/support/edge-process.ts'];
    const child = spawn(process.execPath, [...args, etcd.endpoint, nginx.folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await eventually('the agent to be in step', () => said.includes('nginx has'), 60_000);
    return { child, said: () => said };
  };

  it('away for ten seconds, nothing changes for clients, and afterwards it is followed again', async () => {
    const agent = agentOn(registry);
    await eventually('the agent to be in step', inStep(agent));
    const before = await upstream();
    traffic = new Traffic(nginx.url, 4);
    await etcd.kill();
    await pause(10_000);
    await eventually(
      'the agent to say so',
      () => agent.status().note?.includes('the registry is away') ?? false,
    );
    expect(await upstream()).toBe(before);
    await etcd.startEmpty();
    await eventually('all to be registered again', () => registered.every((one) => one.registered));
    await served(20);
    expect(await upstream()).toBe(before);
    expect(traffic.failures).toEqual([]);
    await registered[0]!.changeState('draining');
    await eventually('it to be followed', async () => / down; # one/.test(await upstream()));
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
  }, 120_000);

  it('an agent that is killed changes nothing, and the next one goes on from the last file', async () => {
    const first = await edgeProcess();
    const before = await upstream();
    traffic = new Traffic(nginx.url, 4);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await served(20);
    await registered[0]!.deregister();
    expect(await upstream()).toBe(before);
    const second = await edgeProcess();
    await eventually('it to follow', async () => !(await upstream()).includes(one.address));
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
    second.child.kill('SIGTERM');
    // Not `exit`: what it said last may come after that.
    expect(await once(second.child, 'close')).toEqual([0, null]);
    expect(second.said()).toContain('stopped; nginx keeps what it has');
  });

  it('an agent that starts while etcd is away leaves the file alone', async () => {
    await etcd.kill();
    const before = await upstream();
    const own = new EtcdRegistry({ endpoints: [etcd.endpoint], callTimeoutMs: 300 });
    const agent = agentOn(own);
    await eventually('the agent to say so', () => agent.status().note?.includes('said nothing yet') ?? false);
    expect(addresses(agent)).toEqual([one.address, two.address]);
    expect(await upstream()).toBe(before);
    await own.close();
  });
});

it('says by code why Nginx cannot be told', async () => {
  const balancer = balancerOf(nginx);
  const { signal } = new AbortController();
  await nginx.stop();
  await expect(
    balancer.apply([{ id: 'one', address: one.address, draining: false }], signal),
  ).rejects.toMatchObject({ code: discoveryErrors.codes.EDGE_AWAY });
  await expect(
    balancer.apply([{ id: 'a', address: 'a;b:1', draining: false }], signal),
  ).rejects.toMatchObject({ code: discoveryErrors.codes.EDGE_REFUSED });
});

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
