import { parseExposition } from '../testing/exposition.js';
import { runInNode } from '../testing/run-in-node.js';

/** In a process of its own: Jest on Node 20 cannot load @willsoto/nestjs-prometheus, which is CommonJS and requires Nest. */
const SCRIPT = `
  const log = lib.createLogger({ format: 'ecs', service: 's', replicaId: 'r', destination: process.stderr });
  const meter = new lib.PrometheusMeter();
  meter.counter({ name: 'articles_total', help: 'Articles' }).add(3);
  const endLoop = lib.measureEventLoop(meter, { windowMs: 50 });
  const probe = (name, critical, report) => ({ name, critical, check: async () => report });
  const reports = { map: { status: 'up', details: { epoch: 7 } }, shard: { status: 'up' } };
  const health = new lib.HealthMonitor({
    meter,
    cacheMs: 0,
    probes: () => [
      { name: 'slot-map', critical: true, check: async () => reports.map },
      { name: 'shard-1', critical: false, check: async () => reports.shard },
    ],
  });
  const open = async (healthRoutes) => {
    const app = await lib.createOperationsApplication({ health, meter, logger: log, healthRoutes });
    await app.listen(0, '127.0.0.1');
    return app;
  };
  const app = await open();
  let alone;
  console.log(await app.getUrl());
  process.stdin.setEncoding('utf8').on('data', async (command) => {
    for (const line of command.split('\\n').filter(Boolean)) {
      if (line === 'stopping') health.setStopping();
      else if (line === 'second') { alone = await open(true); console.log(await alone.getUrl()); continue; }
      else Object.assign(reports, JSON.parse(line));
      console.log('done');
    }
  }).on('end', async () => { await app.close(); await alone?.close(); await endLoop(); log.flushSync(); process.exit(0); });
`;

describe('the operations application', () => {
  const script = runInNode(SCRIPT);
  let url = '';
  beforeAll(async () => {
    url = (await script.nextLine()) ?? '';
    if (url === '') throw new Error((await script.exit).stderr);
  }, 60_000);
  afterAll(async () => {
    await script.kill();
  });

  const health = async () => {
    const response = await fetch(`${url}/health`);
    return { status: response.status, body: await response.json() };
  };
  const tell = async (command: string) => {
    script.write(`${command}\n`);
    return script.nextLine();
  };

  it('serves the meter, the process and its loop as Prometheus text', async () => {
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const samples = parseExposition(await response.text());
    expect(samples.get('articles_total')).toBe(3);
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(10e6);
    expect(samples.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
    expect(samples.has('rookery_loop_turns_total{loop="event-loop-metrics",outcome="ok"}')).toBe(true);
  });

  it('shows every indicator with its details', async () => {
    expect(await health()).toEqual({
      status: 200,
      body: {
        status: 'ok',
        info: {
          'slot-map': { status: 'up', epoch: 7, critical: true },
          'shard-1': { status: 'up', critical: false },
        },
        error: {},
        details: {
          'slot-map': { status: 'up', epoch: 7, critical: true },
          'shard-1': { status: 'up', critical: false },
        },
      },
    });
    const samples = parseExposition(await (await fetch(`${url}/metrics`)).text());
    expect(samples.get('rookery_health_status{indicator="slot-map"}')).toBe(1);
  });

  it('shows degraded as up with less, and as down only what takes the replica out', async () => {
    await tell('{"shard":{"status":"degraded","details":{"pool":"10/10"}}}');
    expect(await health()).toMatchObject({
      status: 200,
      body: { status: 'degraded', info: { 'shard-1': { status: 'degraded', pool: '10/10' } }, error: {} },
    });
    await tell('{"shard":{"status":"down","details":{"message":"refused"}}}');
    expect(await health()).toMatchObject({
      status: 200,
      body: { status: 'degraded', error: { 'shard-1': { status: 'down', message: 'refused' } } },
    });
    await tell('{"map":{"status":"down"}}');
    expect(await health()).toMatchObject({ status: 503, body: { status: 'down' } });
    await tell('{"map":{"status":"up"},"shard":{"status":"up"}}');
    expect(await health()).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  let second = '';
  const statuses = (base: string) =>
    Promise.all(
      ['live', 'ready', 'started'].map(async (name) => (await fetch(`${base}/health/${name}`)).status),
    );

  it('can be made twice on one registry', async () => {
    second = (await tell('second')) ?? '';
    expect((await fetch(`${second}/metrics`)).status).toBe(200);
  });

  it('has what orchestrators probe only where that was asked for', async () => {
    expect(await statuses(url)).toEqual([404, 404, 404]);
    expect(await statuses(second)).toEqual([200, 200, 200]);
    expect(await (await fetch(`${second}/health/ready`)).json()).toEqual({
      status: 'ok',
      indicators: { 'slot-map': 'ok', 'shard-1': 'ok' },
    });
  });

  it('says that the replica is stopping, and ends in order without a word of terminus', async () => {
    await tell('stopping');
    expect(await health()).toMatchObject({ status: 503, body: { status: 'stopping' } });
    expect(await statuses(second)).toEqual([200, 503, 200]);
    const { code, stderr } = await script.stop();
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/Health Check has failed|warn/i);
  });
});
