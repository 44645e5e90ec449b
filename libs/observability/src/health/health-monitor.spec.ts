import { Registry } from 'prom-client';
import { PrometheusMeter } from '../metrics/prometheus-meter.js';
import { observabilityErrors } from '../observability.errors.js';
import { parseExposition } from '../testing/exposition.js';
import { FakeProbe } from '../testing/probes.js';
import { HealthMonitor } from './health-monitor.js';

describe('HealthMonitor', () => {
  it.each([
    ['all up', { status: 'up' }, { status: 'up' }, 'up'],
    ['one degraded', { status: 'up' }, { status: 'degraded' }, 'degraded'],
    ['a critical one degraded', { status: 'degraded' }, { status: 'up' }, 'degraded'],
    ['one down that is not critical', { status: 'up' }, { status: 'down' }, 'degraded'],
    ['a critical one down', { status: 'down' }, { status: 'up' }, 'down'],
  ] as const)('%s', async (_what, critical, other, expected) => {
    const probes = [new FakeProbe('map', true).says(critical), new FakeProbe('shard').says(other)];
    const snapshot = await new HealthMonitor({ probes }).check();
    expect(snapshot.status).toBe(expected);
    expect(snapshot.findings.map(({ status }) => status)).toEqual([critical.status, other.status]);
  });

  it('takes a probe that hangs for down, within the timeout, and does not call it again meanwhile', async () => {
    const probe = new FakeProbe('shard', true);
    const { release } = probe.hangs();
    const monitor = new HealthMonitor({ probes: [probe, new FakeProbe('fine')], timeoutMs: 50, cacheMs: 0 });
    const started = performance.now();
    for (let turn = 0; turn < 3; turn += 1) {
      const { status, findings } = await monitor.check();
      expect(status).toBe('down');
      expect(findings[0]).toMatchObject({ status: 'down', details: { message: 'no answer within 50 ms' } });
      expect(findings[1]!.status).toBe('up');
    }
    expect(performance.now() - started).toBeLessThan(4_000);
    expect(probe.calls).toBe(1);
    release({ status: 'up' });
    await probe.answer();
    expect((await monitor.check()).status).toBe('up');
  });

  it('takes a probe that throws, rejects or answers nonsense for down, and keeps secrets out of what it said', async () => {
    const rejecting = new FakeProbe('rejecting');
    rejecting.answer = () => Promise.reject(new Error('refused postgres://u:hunter2@db/app'));
    const nonsense = new FakeProbe('nonsense').says(undefined as never);
    const probes = [new FakeProbe('throwing').throws('text'), rejecting, nonsense];
    const { findings } = await new HealthMonitor({ probes }).check();
    expect(findings.map(({ status }) => status)).toEqual(['down', 'down', 'down']);
    expect(findings[0]!.details).toEqual({ message: 'text' });
    expect(findings[1]!.details).toEqual({ message: 'refused postgres://u:[redacted]@db/app' });
  });

  it('asks once for any number of requests, and again once the result is old', async () => {
    const probe = new FakeProbe('shard');
    let listed = 0;
    const probes = () => {
      listed += 1;
      return [probe];
    };
    const monitor = new HealthMonitor({ probes, cacheMs: 60_000 });
    await Promise.all(Array.from({ length: 1_000 }, () => monitor.check()));
    await monitor.check();
    expect([probe.calls, listed]).toEqual([1, 1]);
    const forgetful = new HealthMonitor({ probes, cacheMs: 30 });
    await forgetful.check();
    expect(probe.calls).toBe(2);
    const until = performance.now() + 40;
    while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
    await forgetful.check();
    expect(probe.calls).toBe(3);
  });

  it('follows probes that come and go, and never rejects', async () => {
    let probes = () => [new FakeProbe('a')];
    const monitor = new HealthMonitor({ probes: () => probes(), cacheMs: 0 });
    expect((await monitor.check()).findings.map(({ name }) => name)).toEqual(['a']);
    probes = () => [new FakeProbe('a'), new FakeProbe('b')];
    expect((await monitor.check()).findings.map(({ name }) => name)).toEqual(['a', 'b']);
    probes = () => [new FakeProbe('a'), new FakeProbe('a')];
    expect(await monitor.check()).toMatchObject({
      status: 'down',
      findings: [{ name: 'health', critical: true }],
    });
    probes = () => {
      throw new Error('no map yet');
    };
    expect((await monitor.check()).findings[0]!.details).toEqual({ message: 'no map yet' });
  });

  it('refuses two probes of one name', () => {
    let thrown: unknown;
    try {
      new HealthMonitor({ probes: [new FakeProbe('a'), new FakeProbe('a')] });
    } catch (error) {
      thrown = error;
    }
    expect(observabilityErrors.is(thrown, 'DUPLICATE_PROBE')).toBe(true);
  });

  it('tells each change once, and shows the state as a metric', async () => {
    const told: string[] = [];
    const tell = (level: string) => (message: string) => void told.push(`${level} ${message}`);
    const logger = { log: tell('log'), warn: tell('warn'), error: tell('error') };
    const meter = new PrometheusMeter({ registry: new Registry() });
    const critical = new FakeProbe('map', true);
    const shard = new FakeProbe('shard');
    const monitor = new HealthMonitor({ probes: [critical, shard], cacheMs: 0, logger, meter });
    await monitor.check();
    for (let turn = 0; turn < 2; turn += 1) {
      critical.says({ status: 'down' });
      shard.says({ status: 'degraded' });
      await monitor.check();
      await monitor.check();
      const samples = parseExposition((await meter.exposition()).text);
      expect(samples.get('rookery_health_status{indicator="map"}')).toBe(0);
      expect(samples.get('rookery_health_status{indicator="shard"}')).toBe(0.5);
      critical.says({ status: 'up' });
      shard.says({ status: 'up' });
      // The first may be the one that the scrape has begun, before that.
      await monitor.check();
      await monitor.check();
    }
    const round = [
      'error map is down (was up)',
      'warn shard is degraded (was up)',
      'log map is up (was down)',
      'log shard is up (was degraded)',
    ];
    expect(told).toEqual([...round, ...round]);
    monitor.onApplicationShutdown();
    expect((await meter.exposition()).text).not.toContain('rookery_health_status');
  });

  it('is known to whoever scrapes, though nobody else asks', async () => {
    const meter = new PrometheusMeter({ registry: new Registry() });
    const monitor = new HealthMonitor({ probes: [new FakeProbe('map', true)], cacheMs: 0, meter });
    const scraped = async () => parseExposition((await meter.exposition()).text);
    expect([...(await scraped()).keys()]).not.toContain('rookery_health_status{indicator="map"}');
    let seen = await scraped();
    while (!seen.has('rookery_health_status{indicator="map"}')) seen = await scraped();
    expect(seen.get('rookery_health_status{indicator="map"}')).toBe(1);
    monitor.onApplicationShutdown();
  });
});
