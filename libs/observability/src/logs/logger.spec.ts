import { CodedError, Deadline, defineErrors, runInContext } from '@rookery/kernel';
import type { LoggerOptions } from '../observability.options.js';
import { runInNode, type RunningScript } from '../testing/run-in-node.js';
import { createLogger } from './create-logger.js';

function logger(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    format: 'ecs',
    service: 'conduit',
    replicaId: 'r1',
    colors: false,
    destination: { write: (line) => lines.push(line) },
    ...options,
  });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

const refuse = () => {
  throw new Error('not to be read');
};
/** Whatever is asked of it, even what it is, it throws itself. */
const hostile: object = new Proxy({}, { get: refuse, getPrototypeOf: refuse, ownKeys: refuse, has: refuse });

const errors = defineErrors('TEST', { BROKEN: { status: 503, message: 'shard {shard} is broken' } });

describe('createLogger, ECS', () => {
  it('writes one JSON object a line with the fields every line has', () => {
    const { log, lines, parsed } = logger({ serviceVersion: '1.2.3' });
    log.log('hello "world"\n', 'Sharding');
    expect(lines[0]!.endsWith('}\n')).toBe(true);
    const line = parsed()[0]!;
    expect(new Date(String(line['@timestamp'])).toISOString()).toBe(line['@timestamp']);
    expect(line).toMatchObject({
      'log.level': 'info',
      message: 'hello "world"\n',
      'ecs.version': '8.11.0',
      'service.name': 'conduit',
      'service.version': '1.2.3',
      'service.node.name': 'r1',
      'process.pid': process.pid,
      'log.logger': 'Sharding',
    });
    expect(Object.keys(line)).not.toContain('http.request.id');
  });

  it('carries request, trace and viewer of the request under way', async () => {
    const { log, parsed } = logger();
    const context = {
      requestId: 'req-1',
      traceId: 'trace-1',
      viewerId: 'u1',
      deadline: Deadline.after(1_000),
    };
    await runInContext(context, async () => {
      await Promise.resolve();
      log.warn('inside');
    });
    log.warn('outside');
    expect(parsed()[0]).toMatchObject({ 'http.request.id': 'req-1', 'trace.id': 'trace-1', 'user.id': 'u1' });
    expect(parsed()[1]).not.toHaveProperty(['http.request.id']);
  });

  it('describes an error with its code, its data and its causes', () => {
    const { log, parsed } = logger();
    const root = Object.assign(new TypeError('connection refused'), { code: 'ECONNREFUSED' });
    const error = errors.create('BROKEN', {
      data: { shard: 's1' },
      cause: new Error('middle', { cause: root }),
    });
    expect(error).toBeInstanceOf(CodedError);
    log.error(error, undefined, 'Http');
    const line = parsed()[0]!;
    expect(line).toMatchObject({
      'log.level': 'error',
      message: 'shard s1 is broken',
      'log.logger': 'Http',
      'error.type': 'CodedError',
      'error.message': 'shard s1 is broken',
      'error.code': 'RK_TEST_BROKEN',
      rookery: { error: { shard: 's1' } },
    });
    const stack = String(line['error.stack_trace']);
    expect(stack).toMatch(/^CodedError: shard s1 is broken\n +at /);
    expect(stack).toMatch(
      /Caused by: Error: middle\n +at [^]*Caused by \[ECONNREFUSED\]: TypeError: connection refused\n/,
    );
  });

  it('leaves out what drivers hang on their errors', () => {
    const { log, lines } = logger();
    log.error(
      Object.assign(new Error('duplicate key'), { parameters: ['a@b.example'], detail: 'Key (email)=(a@b)' }),
    );
    expect(lines[0]).not.toContain('a@b');
  });

  it('takes the argument orders of Nest', () => {
    const { log, parsed } = logger();
    const stack = new Error('old style').stack!;
    log.error('failed', stack, 'Ctx');
    log.error('failed', new Error('inner'), { shard: 's1' }, 'Ctx');
    log.log({ message: 'with fields', shard: 's2', error: new Error('e') });
    log.log('two', 'Ctx');
    log.error('thrown text');
    log.error({ unusual: true });
    log.error(new Error('a'), new Error('b'), 'Ctx');
    expect(parsed()).toMatchObject([
      { message: 'failed', 'error.type': 'Error', 'error.message': 'old style', 'error.stack_trace': stack },
      { message: 'failed', 'error.message': 'inner', rookery: { shard: 's1' }, 'log.logger': 'Ctx' },
      { message: 'with fields', 'error.message': 'e', rookery: { shard: 's2' } },
      { message: 'two', 'log.logger': 'Ctx' },
      { message: 'thrown text' },
      { message: '', rookery: { unusual: true } },
      { message: 'b', 'error.message': 'a' },
    ]);
  });

  it('takes fields first where a library logs as pino does', () => {
    const { log, parsed } = logger();
    const http = log.named('Http');
    http.error({ err: new Error('inner'), requestId: 'r1' }, 'failed');
    http.debug({}, 'not at this level');
    expect(parsed()).toMatchObject([
      {
        'log.level': 'error',
        message: 'failed',
        'log.logger': 'Http',
        'error.message': 'inner',
        rookery: { requestId: 'r1' },
      },
    ]);
  });

  it('does not take % in a message for a placeholder', () => {
    const { log, parsed } = logger();
    log.log('100%s of %d', { a: 1 }, 'Ctx');
    expect(parsed()[0]).toMatchObject({ message: '100%s of %d' });
  });

  it.each([undefined, null, Symbol('s'), 10n, () => 1, new Proxy({}, { ownKeys: () => ['a', 'a'] })])(
    'never throws, whatever is logged (%#)',
    (value) => {
      const { log, lines } = logger();
      log.log(value);
      log.error('x', value);
      expect(lines).toHaveLength(2);
    },
  );

  it('never throws either when a value throws whatever is asked of it', () => {
    const { log, lines, parsed } = logger();
    log.log(hostile, 'Ctx');
    log.error('x', hostile);
    log.named('Ctx').error({ err: hostile }, 'y');
    let reads = 0;
    const once = {
      get err() {
        reads += 1;
        if (reads > 1) throw new Error('once only');
        return 'text';
      },
    };
    log.error(once, 'Ctx');
    expect(lines).toHaveLength(4);
    expect(parsed()[2]).toMatchObject({ message: 'y' });
  });

  it('never throws when the destination does, and counts what is lost', () => {
    const destination = {
      write: () => {
        throw new Error('destroyed');
      },
    };
    for (const format of ['ecs', 'pretty'] as const) {
      const { log } = logger({ format, destination });
      log.error('x');
      log.ready('ready');
      log.access({ requestId: 'r', method: 'GET', route: '/', status: 200, durationMs: 1 });
      expect(log.lost).toBe(3);
    }
  });

  it('bounds a line', () => {
    const { log, lines } = logger();
    const cause = new Error('m'.repeat(1e6), { cause: new Error('n'.repeat(1e6)) });
    log.error(
      'x'.repeat(1e6),
      cause,
      { list: Array.from({ length: 1e5 }, () => 'y'.repeat(1e4)) },
      'c'.repeat(1e5),
    );
    expect(lines[0]!.length).toBeLessThan(80_000);
  });

  it('honours the level, and sends what Nest says at boot to debug', () => {
    const info = logger();
    info.log.debug('no');
    info.log.verbose('no');
    info.log.log('AppModule dependencies initialized', 'InstanceLoader');
    info.log.warn('a warning of it stays', 'InstanceLoader');
    expect(info.parsed().map(({ message }) => message)).toEqual(['a warning of it stays']);

    const trace = logger({ level: 'trace' });
    trace.log.verbose('yes');
    trace.log.log('AppModule dependencies initialized', 'InstanceLoader');
    expect(trace.parsed().map((line) => line['log.level'])).toEqual(['trace', 'debug']);
    expect(trace.log.enabled('debug')).toBe(true);
    expect(info.log.enabled('debug')).toBe(false);
  });

  it('writes an access line with the route and never the query', () => {
    const { log, parsed } = logger();
    log.access({
      requestId: 'req-1',
      method: 'GET',
      route: '/api/articles/:slug',
      status: 200,
      durationMs: 12.5,
      bytes: 99,
      viewerId: 'u1',
      address: '127.0.0.1',
      code: 'RK_TEST_BROKEN',
      userAgent: 'curl/8',
      path: '/api/articles/x?token=hunter2',
    });
    expect(parsed()[0]).toMatchObject({
      message: 'GET /api/articles/:slug 200',
      'event.dataset': 'conduit.access',
      'event.duration': 12_500_000,
      'http.request.id': 'req-1',
      'http.request.method': 'GET',
      'http.route': '/api/articles/:slug',
      'http.response.status_code': 200,
      'http.response.body.bytes': 99,
      'user.id': 'u1',
      'client.ip': '127.0.0.1',
      'error.code': 'RK_TEST_BROKEN',
      'user_agent.original': 'curl/8',
      'url.path': '/api/articles/x?token=[redacted]',
    });
  });

  it('keeps health probes out of info', () => {
    const { log, lines } = logger();
    for (const route of ['/health/live', 'health/ready', '/health/started', '/api/tags']) {
      log.access({ requestId: 'r', method: 'GET', route, status: 200, durationMs: 1 });
    }
    expect(lines).toHaveLength(1);
  });

  it('writes the readiness line as the message, whatever the level', () => {
    const { log, parsed } = logger({ level: 'error' });
    log.ready('Conduit is ready on http://127.0.0.1:3000/api');
    expect(parsed()[0]).toMatchObject({
      'log.level': 'info',
      message: 'Conduit is ready on http://127.0.0.1:3000/api',
      'service.name': 'conduit',
    });
  });
});

describe('createLogger, pretty', () => {
  it('shows time, level, context, message and fields on one line', () => {
    const { log, lines } = logger({ format: 'pretty' });
    log.log('connected', { shard: 's1', level: 'x' }, 'Sharding');
    expect(lines[0]).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: \[Sharding\] connected \{"shard":"s1","level_":"x"\}\n$/,
    );
  });

  it('shows an error with its causes as a person reads them', () => {
    const { log, lines } = logger({ format: 'pretty' });
    log.error('failed', new Error('outer', { cause: new Error('inner') }), 'Http');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /ERROR: \[Http\] failed\n    Error: outer\n +at [^]*\n    Caused by: Error: inner\n +at [^]*\n$/,
    );
    expect(lines[0]).not.toContain('\\n');
  });

  it('shows an access line', () => {
    const { log, lines } = logger({ format: 'pretty' });
    log.access({ requestId: 'req-1', method: 'GET', route: '/api/tags', status: 200, durationMs: 12.345 });
    expect(lines[0]).toMatch(
      /INFO: \[Access\] GET \/api\/tags 200 \{"requestId":"req-1","durationMs":12\.3\}\n$/,
    );
  });

  it('writes the readiness line plainly', () => {
    const { log, lines } = logger({ format: 'pretty', level: 'error' });
    log.ready('Conduit is ready on http://127.0.0.1:3000/api');
    expect(lines).toEqual(['Conduit is ready on http://127.0.0.1:3000/api\n']);
  });
});

describe('standard output', () => {
  const scripts: RunningScript[] = [];
  const run = (source: string) => {
    const script = runInNode(source);
    scripts.push(script);
    return script;
  };
  afterEach(async () => {
    await Promise.all(scripts.splice(0).map((script) => script.kill()));
  });

  it.each([
    ['process.exit', 'process.exit(3)', 3],
    ['an uncaught exception', 'setImmediate(() => { throw new Error("crash"); })', 1],
    ['the end of the loop', '', 0],
  ])(
    'no line is lost on %s',
    async (_how, ending, code) => {
      const script = run(`
      const log = lib.createLogger({ format: 'ecs', service: 's', replicaId: 'r' });
      for (let n = 0; n < 2000; n += 1) log.log('line', { n });
      ${ending}`);
      const seen: unknown[] = [];
      for (let line = await script.nextLine(); line !== undefined; line = await script.nextLine()) {
        seen.push((JSON.parse(line) as { rookery: { n: number } }).rookery.n);
      }
      expect((await script.exit).code).toBe(code);
      expect(seen).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
    },
    60_000,
  );

  it('is bounded when nobody reads it: lines are dropped, and their number is told', async () => {
    const script = run(`
      const log = lib.createLogger({ format: 'ecs', service: 's', replicaId: 'r', maxBufferedBytes: 100_000 });
      const before = process.memoryUsage().rss;
      for (let n = 0; n < 50_000; n += 1) log.log('x'.repeat(1000));
      process.stderr.write(String(process.memoryUsage().rss - before));
      process.stdin.resume();`);
    let told: string | undefined;
    while (told === undefined) {
      const line = await script.nextLine();
      if (line === undefined) break;
      const { message } = JSON.parse(line) as { message: string };
      told = /^(\d+) log lines were dropped/.exec(message)?.[1];
    }
    expect(Number(told)).toBeGreaterThan(10_000);
    const { stderr } = await script.stop();
    expect(Number(stderr)).toBeLessThan(60e6);
  }, 60_000);
});
