import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { createLogger } from '../logs/create-logger.js';
import type { HealthModuleOptions } from '../observability.options.js';
import { FakeProbe } from '../testing/probes.js';
import { HEALTH_ROUTES } from './health-routes.js';
import { HealthModule } from './health.module.js';
import { HealthMonitor } from './health-monitor.js';

@Controller('tags')
class TagsController {
  @Get()
  tags(): string[] {
    return [];
  }
}

const SHARDS = Symbol('SHARDS');

@Module({ providers: [{ provide: SHARDS, useValue: [new FakeProbe('from-di')] }], exports: [SHARDS] })
class ShardsModule {}

describe('HealthModule on the public port', () => {
  const lines: string[] = [];
  const logger = createLogger({
    format: 'ecs',
    service: 's',
    replicaId: 'r',
    destination: { write: (line) => lines.push(line) },
  });
  const apps: NestFastifyApplication[] = [];

  async function serve(health: ReturnType<typeof HealthModule.forRoot>) {
    class AppModule {}
    Module({ imports: [health], controllers: [TagsController] })(AppModule);
    const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger });
    app.setGlobalPrefix('api', { exclude: [...HEALTH_ROUTES] });
    await app.listen(0, '127.0.0.1');
    apps.push(app);
    const url = await app.getUrl();
    const get = async (path: string, init?: RequestInit) => {
      const response = await fetch(url + path, init);
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
      };
    };
    return { app, get, monitor: app.get(HealthMonitor) };
  }

  const withProbes = (options: Partial<HealthModuleOptions> & { probes: FakeProbe[] }) =>
    serve(HealthModule.forRoot({ cacheMs: 0, timeoutMs: 100, logger, ...options }));

  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()));
    lines.length = 0;
  });

  it('answers outside the global prefix, uncached by anybody, and to HEAD', async () => {
    const { get } = await withProbes({ probes: [new FakeProbe('shard-0', true)] });
    expect((await get('/api/tags')).status).toBe(200);
    expect((await get('/tags')).status).toBe(404);
    expect((await get('/api/health/live')).status).toBe(404);
    for (const route of HEALTH_ROUTES) {
      const { status, headers } = await get(`/${route}`);
      expect(status).toBe(200);
      expect(headers.get('cache-control')).toBe('no-store');
      expect((await get(`/${route}`, { method: 'HEAD' })).status).toBe(200);
    }
    expect((await get('/health/live')).body).toEqual({ status: 'ok' });
    expect((await get('/health/started')).body).toEqual({ status: 'ok' });
  });

  it('is ready when all is up, and when it is degraded; tells names and states only', async () => {
    const slotMap = new FakeProbe('slot-map', true).says({
      status: 'up',
      details: { epoch: 7, status: 'odd' },
    });
    const shard = new FakeProbe('shard-0');
    const { get } = await withProbes({ probes: [slotMap, shard] });
    expect(await get('/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'ok', indicators: { 'slot-map': 'ok', 'shard-0': 'ok' } },
    });
    shard.says({ status: 'degraded', details: { host: 'db-7.internal' } });
    const degraded = await get('/health/ready');
    expect(degraded.status).toBe(200);
    expect(degraded.body).toEqual({
      status: 'degraded',
      indicators: { 'slot-map': 'ok', 'shard-0': 'degraded' },
    });
    shard.says({ status: 'down' });
    const down = await get('/health/ready');
    expect(down.status).toBe(200);
    expect(down.body).toEqual({ status: 'degraded', indicators: { 'slot-map': 'ok', 'shard-0': 'down' } });
  });

  it('is not ready when a critical probe is down, hangs or throws; and is again without a restart', async () => {
    const probe = new FakeProbe('slot-map', true).says({
      status: 'down',
      details: { host: 'db-7.internal' },
    });
    const { get } = await withProbes({ probes: [probe] });
    const expected = { status: 503, body: { status: 'down', indicators: { 'slot-map': 'down' } } };
    const { status, body } = await get('/health/ready');
    expect({ status, body }).toEqual(expected);
    probe.throws(new Error('unexpected'));
    expect(await get('/health/ready')).toMatchObject(expected);
    const { release } = probe.hangs();
    expect(await get('/health/ready')).toMatchObject(expected);
    expect((await get('/health/live')).status).toBe(200);
    release({ status: 'up' });
    await probe.answer();
    expect((await get('/health/ready')).status).toBe(200);
  });

  it('is not ready once it is stopping, and stays live', async () => {
    const { get, monitor } = await withProbes({ probes: [new FakeProbe('shard-0')] });
    expect((await get('/health/ready')).status).toBe(200);
    monitor.setStopping();
    const { status, body } = await get('/health/ready');
    expect({ status, body }).toEqual({
      status: 503,
      body: { status: 'stopping', indicators: { 'shard-0': 'ok' } },
    });
    expect((await get('/health/live')).status).toBe(200);
  });

  it('says when it has started', async () => {
    let started = false;
    const { get } = await withProbes({ probes: [], started: () => started });
    const { status, body } = await get('/health/started');
    expect({ status, body }).toEqual({ status: 503, body: { status: 'starting' } });
    started = true;
    expect((await get('/health/started')).status).toBe(200);
  });

  it('costs the dependencies one check, however many ask', async () => {
    const probe = new FakeProbe('shard-0');
    const { get } = await withProbes({ probes: [probe], cacheMs: 60_000 });
    const all = await Promise.all(Array.from({ length: 100 }, () => get('/health/ready')));
    expect(all.every(({ status }) => status === 200)).toBe(true);
    expect(probe.calls).toBe(1);
  });

  it('logs a change once, through our logger, and nothing of terminus', async () => {
    const { get } = await withProbes({ probes: [new FakeProbe('slot-map', true).says({ status: 'down' })] });
    for (let n = 0; n < 5; n += 1) await get('/health/ready');
    const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message);
    expect(messages).toEqual(['slot-map is down (was up)']);
  });

  it('takes its options from the container', async () => {
    const health = HealthModule.forRootAsync({
      imports: [ShardsModule],
      inject: [SHARDS],
      useFactory: (probes: FakeProbe[]) => ({ probes }),
    });
    const { get } = await serve(health);
    expect((await get('/health/ready')).body).toEqual({ status: 'ok', indicators: { 'from-di': 'ok' } });
  });
});
