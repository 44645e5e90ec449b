import type { Meter } from '@rookery/kernel';
import { discoveryErrors } from '../discovery.errors.js';
import { StaticRegistry } from '../drivers/static/static-registry.js';
import { eventually } from '../testing/eventually.js';
import { replica } from '../testing/registry-contract.js';
import type { Balancer, Peer } from './balancer.js';
import { EdgeAgent } from './edge-agent.js';
import { runEdge } from './run-edge.js';

/** A balancer in memory: the port without a program behind it. */
class Remembered implements Balancer {
  readonly name = 'remembered';
  readonly applied: (readonly Peer[])[] = [];
  refusal: Error | undefined;
  peers: readonly Peer[] | undefined;

  async current(): Promise<readonly Peer[] | undefined> {
    return this.peers;
  }
  async inForce(): Promise<boolean> {
    return true;
  }
  async apply(peers: readonly Peer[]): Promise<void> {
    if (this.refusal) throw this.refusal;
    this.peers = peers;
    this.applied.push(peers);
  }
}

const [one, two] = [replica('shop', 1), replica('shop', 2)];

describe('an edge agent', () => {
  let registry: StaticRegistry;
  let balancer: Remembered;
  let agent: EdgeAgent;
  const lines: string[] = [];
  const start = (meter?: Meter): void => {
    agent = new EdgeAgent({
      registry,
      service: 'shop',
      balancer,
      settleMs: 20,
      resyncMs: 50,
      onEvent: (line) => lines.push(line),
      ...(meter && { meter }),
    });
    agent.start();
  };
  const inStep = (): Promise<void> => eventually('the agent to be in step', () => agent.status().inStep);

  beforeEach(() => {
    lines.length = 0;
    registry = new StaticRegistry([one, two], { graceMs: 0 });
    balancer = new Remembered();
  });
  afterEach(async () => {
    await agent.stop();
    await registry.close();
  });

  it('applies changes that come together once, and none that change nothing', async () => {
    start();
    await inStep();
    for (let n = 0; n < 50; n += 1) registry.replace(n % 2 ? [one] : [two]);
    registry.replace([one]);
    await eventually('the last change', () => balancer.peers?.length === 1);
    expect(balancer.applied).toHaveLength(2);
    registry.replace([{ ...one, version: 'another' }]);
    await inStep();
    expect(balancer.applied).toHaveLength(2);
  });

  it('keeps what the balancer has where nobody is up, and says so once', async () => {
    start();
    await inStep();
    registry.replace([{ ...one, state: 'draining' }]);
    await eventually('the agent to say so', () => !agent.status().inStep);
    await eventually('more looks', () => lines.length > 1);
    expect(balancer.peers).toHaveLength(2);
    expect(agent.status().note).toContain('no replica that is up');
    registry.replace([]);
    await eventually('a look or two', () => agent.status().note !== undefined);
    expect(balancer.applied).toHaveLength(1);
    expect(lines.filter((line) => line.includes('keeps what it has'))).toHaveLength(1);
  });

  it('gives the balancer its peers again when it has lost them, and goes on after a refusal', async () => {
    const gauges: (() => Iterable<{ value: number }>)[] = [];
    const outcomes = new Map<string, number>();
    start({
      counter: ({ name }) => ({
        add: (by = 1, { outcome = '' } = {}) => {
          if (name === 'rookery_edge_applies_total') outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + by);
        },
      }),
      histogram: () => ({ observe: () => undefined }),
      gauge: (_, read) => {
        gauges.push(read);
        return () => undefined;
      },
    });
    await inStep();
    balancer.refusal = new Error('not today');
    balancer.peers = [];
    await eventually('the refusal', () => agent.status().note === 'not today');
    expect(await agent.health.check(100)).toMatchObject({ status: 'degraded' });
    expect([...gauges[0]!()].map(({ value }) => value)).toEqual([0, 0, 0]);
    expect([outcomes.get('refused'), outcomes.get('error')]).toEqual([0, expect.any(Number)]);
    const data = { balancer: 'remembered', reason: 'nonsense' };
    balancer.refusal = discoveryErrors.create('EDGE_REFUSED', { data });
    await eventually('a refusal to be counted as one', () => outcomes.get('refused')! > 0);
    expect(outcomes.get('error')).toBeGreaterThan(0);
    balancer.refusal = undefined;
    await inStep();
    expect(balancer.peers).toHaveLength(2);
    expect((await agent.health.check(100)).status).toBe('up');
    expect([...gauges[0]!()].map(({ value }) => value)).toEqual([2, 0, 1]);
  });

  it('takes up what the balancer has', async () => {
    balancer.peers = [one, two].map(({ id, address }) => ({ id, address, draining: false }));
    start();
    await inStep();
    expect(balancer.applied).toEqual([]);
    expect(agent.status().peers).toHaveLength(2);
  });
});

it('the whole life of an agent ends with its signal', async () => {
  const printed: string[] = [];
  const stop = new AbortController();
  const balancer = new Remembered();
  const life = runEdge({
    registry: new StaticRegistry([one]),
    service: 'shop',
    balancer,
    signal: stop.signal,
    print: (line) => printed.push(line),
  });
  await eventually('the agent to work', () => balancer.applied.length === 1);
  stop.abort();
  await life;
  expect(printed).toEqual([
    'keeping remembered in step with shop by static',
    `remembered has ${one.id}`,
    'stopped; remembered keeps what it has',
  ]);
});
