// needs: haproxy
import { join } from 'node:path';
import type { Proxy } from '@rookery/devstack/testing';
import { discoveryErrors, EdgeAgent, HaproxyBalancer, StaticRegistry } from '@rookery/discovery';
import { eventually } from '@rookery/discovery/testing';
import { PlainReplica } from './support/plain-replica.js';
import { haproxy } from './support/proxies.js';
import { rawRequest } from './support/raw-request.js';
import { ask, Traffic } from './support/traffic.js';

/** The file of `deploy/haproxy` in a real HAProxy before two servers, and the agent that fills its slots. */
let one: PlainReplica;
let two: PlainReplica;
let proxy: Proxy;
let balancer: HaproxyBalancer;
let registry: StaticRegistry;
let agent: EdgeAgent;
let traffic: Traffic | undefined;
const lines: string[] = [];
const times = (method: string, url: string): number => one.countOf(method, url) + two.countOf(method, url);
const inUse = (replica: PlainReplica): Promise<void> => {
  const before = replica.countOf('GET', '/');
  return eventually(`${replica.name} to be in use`, async () => {
    await ask(proxy.url);
    return replica.countOf('GET', '/') > before;
  });
};
const inStep = (): Promise<void> => eventually('the agent to be in step', () => agent.status().inStep);
/** It is in step with `replicas`, and with no other. */
const comesTo = (what: string, replicas: readonly string[]): Promise<void> =>
  eventually(what, () => {
    const { inStep: isSo, peers = [] } = agent.status();
    const has = peers.map(({ address, draining }) => `${address}${draining ? ' draining' : ''}`);
    return isSo && has.sort().join() === [...replicas].sort().join();
  });

beforeEach(async () => {
  lines.length = 0;
  [one, two] = await Promise.all([PlainReplica.start('one'), PlainReplica.start('two')]);
  proxy = await haproxy({ SLOTS: '3' });
  balancer = new HaproxyBalancer({ service: 'conduit', socket: join(proxy.folder, 'haproxy.sock') });
  registry = new StaticRegistry([one.instance, two.instance], { graceMs: 100 });
  agent = new EdgeAgent({
    registry,
    service: 'conduit',
    balancer,
    resyncMs: 200,
    onEvent: (line) => lines.push(line),
  });
  agent.start();
  await inStep();
  await Promise.all([inUse(one), inUse(two)]);
});
afterEach(async () => {
  await traffic?.stop();
  traffic = undefined;
  await agent.stop();
  await registry.close();
  await proxy.close();
  await Promise.all([one.close(), two.close()]);
});

it('a replica drains, leaves and comes back under traffic, ten times, and no request fails', async () => {
  traffic = new Traffic(proxy.url);
  for (let round = 0; round < 10; round += 1) {
    const [leaves, stays] = round % 2 === 0 ? [one, two] : [two, one];
    registry.replace([{ ...leaves.instance, state: 'draining' }, stays.instance]);
    await comesTo('it to drain', [`${leaves.address} draining`, stays.address]);
    // What was under way may still come to it; after that, nothing does, and it may go.
    await traffic.turnover();
    await leaves.close();
    registry.replace([stays.instance]);
    await comesTo('it to be gone', [stays.address]);
    await leaves.listen();
    registry.replace([leaves.instance, stays.instance]);
    const came = traffic.by.get(leaves.name) ?? 0;
    await eventually('it to be in use', () => (traffic!.by.get(leaves.name) ?? 0) > came);
  }
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
});

it.each(['/break', '/busy'])('a GET of %s goes on to another replica, a POST never', async (path) => {
  two.misbehaves = false;
  for (let n = 0; n < 6; n += 1)
    expect(await ask(proxy.url + path)).toMatchObject({ status: 200, body: 'two' });
  expect(one.countOf('GET', path)).toBeGreaterThan(0);
  two.misbehaves = true;
  const { status } = await ask(proxy.url + path, { method: 'POST', body: 'x' });
  expect(status).toBe(path === '/busy' ? 503 : 502);
  expect(times('POST', path)).toBe(1);
});

it('a replica that says it is not ready gets nothing until it is', async () => {
  one.ready = false;
  let before = 0;
  await eventually('it to be left out', async () => {
    before = one.countOf('GET', '/');
    for (let n = 0; n < 10; n += 1) await ask(proxy.url);
    return one.countOf('GET', '/') === before;
  });
  one.ready = true;
  await inUse(one);
});

it('a replica that dies is left out, and only what was under way on it may fail', async () => {
  await one.die();
  for (let n = 0; n < 20; n += 1) expect((await ask(proxy.url)).body).toBe('two');
});

it('an empty registry leaves the slots as they are, and the agent says so', async () => {
  registry.replace([]);
  await eventually('the agent to say so', () => lines.at(-1)!.includes('keeps what it has'));
  expect(await balancer.current()).toHaveLength(2);
  expect((await ask(proxy.url)).status).toBe(200);
});

it('restarted, it has its slots filled again', async () => {
  await proxy.kill();
  await eventually('the agent to notice', () => !agent.status().inStep);
  await proxy.start();
  await eventually('the slots to be filled', async () => (await ask(proxy.url)).status === 200);
  await Promise.all([inUse(one), inUse(two)]);
});

it('refuses what has no room or no address of IP, and keeps what it has', async () => {
  const peers = [1, 2, 3, 4].map((n) => ({ id: `${n}`, address: `127.0.0.9:${n}`, draining: false }));
  const before = await balancer.current();
  await expect(balancer.apply(peers)).rejects.toMatchObject({ code: discoveryErrors.codes.EDGE_TOO_MANY });
  await expect(balancer.apply([{ id: 'a', address: 'localhost:1', draining: false }])).rejects.toMatchObject({
    code: discoveryErrors.codes.EDGE_REFUSED,
  });
  expect(await balancer.current()).toEqual(before);
  const elsewhere = new HaproxyBalancer({ service: 'conduit', socket: '/nowhere.sock' });
  await expect(elsewhere.current()).rejects.toMatchObject({ code: discoveryErrors.codes.EDGE_AWAY });
});

describe('what is refused', () => {
  it('a request that has both Content-Length and Transfer-Encoding is one request, whoever reads it', async () => {
    const answer = await rawRequest(
      proxy.url,
      'POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /inner HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    expect(answer.match(/HTTP\/1.1 /g)).toHaveLength(1);
    expect(times('GET', '/inner')).toBe(0);
    for (const { headers } of [...one.seen, ...two.seen].filter(({ url }) => url === '/smuggled'))
      expect([headers['content-length'], headers['transfer-encoding']]).toContain(undefined);
  });

  it('huge header fields, and a body over the limit', async () => {
    const large = `GET /large-header HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(40_000)}\r\n\r\n`;
    expect(await rawRequest(proxy.url, large)).toMatch(/^HTTP\/1.[01] 4(00|31) /);
    const body = 'POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1048577\r\n\r\n';
    expect(await rawRequest(proxy.url, `${body}${'x'.repeat(100)}`)).toMatch(/^HTTP\/1.1 413 /);
    expect(times('GET', '/large-header') + times('POST', '/body')).toBe(0);
  });

  it('operations, however their path is written', async () => {
    for (const path of ['/metrics', '/%6detrics', '//metrics', '/health', '/operations/x']) {
      const answer = await rawRequest(
        proxy.url,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1.1 404 /);
    }
    expect((await ask(`${proxy.url}/health/ready`)).status).toBe(200);
  });
});

it('tells replicas a request id, and the address of the client as a trusted proxy says', async () => {
  const { headers } = await ask(`${proxy.url}/seen`, {
    headers: { 'x-request-id': 'not good!', 'x-forwarded-for': '192.0.2.1', forwarded: 'for=x' },
  });
  const seen = [...one.seen, ...two.seen].find(({ url }) => url === '/seen')!;
  expect(seen.headers['x-request-id']).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
  expect(seen.headers).toMatchObject({ 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'http' });
  expect(seen.headers['forwarded']).toBeUndefined();
  expect(seen.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
});

it('passes on what is well formed, packs what is large, and writes a log of JSON whatever it is sent', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await ask(`${proxy.url}/seen?"quotes"\\`, { headers: { 'x-request-id': 'mine-1.2_3', traceparent } });
  const seen = [...one.seen, ...two.seen].find(({ url }) => url.startsWith('/seen'))!;
  expect(seen.headers).toMatchObject({ 'x-request-id': 'mine-1.2_3', traceparent });
  const packed = await ask(`${proxy.url}/large`, { headers: { 'accept-encoding': 'gzip' } });
  expect(packed.headers['content-encoding']).toBe('gzip');
  let line: Record<string, unknown> | undefined;
  await eventually('the line to be there', async () => {
    const texts = (await proxy.log()).split('\n').filter((text) => text.includes('haproxy.access'));
    const all = texts.map((text) => JSON.parse(text.slice(text.indexOf('{'))) as Record<string, unknown>);
    line = all.find((one) => String(one['url.original']).startsWith('/seen'));
    return line !== undefined;
  });
  expect(line).toMatchObject({ 'http.response.status_code': 200, 'http.request.id': 'mine-1.2_3' });
});
