import { setTimeout as pause } from 'node:timers/promises';
import { Metadata, status as Status } from '@grpc/grpc-js';
import {
  CodedError,
  currentContext,
  Deadline,
  noopMeter,
  runInContext,
  type Labels,
  type Meter,
} from '@rookery/kernel';
import { statusOfError } from '../status/status-of-error.js';
import { echoProto, type EchoClient } from '../testing/echo.js';
import { freezableWay, plainEcho, type EchoHandler } from '../testing/plain-echo.js';
import { staticInstances, type InstanceSource } from './instance-source.js';
import { RpcClient } from './rpc-client.js';
import type { RpcClientOptions } from './rpc-client.options.js';

const proto = echoProto();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function peer(handler: EchoHandler, port?: number) {
  const server = await plainEcho(handler, port);
  closers.push(() => server.stop());
  return server;
}

const echoing =
  (name = ''): EchoHandler =>
  (call, answer) =>
    answer(null, { text: `${call.request.text}${name}` });

const failing =
  (code: Status): EchoHandler =>
  (_, answer) =>
    answer({ code, details: 'so it is' });

async function open(
  instances: InstanceSource | readonly string[],
  options: Partial<RpcClientOptions> = {},
): Promise<EchoClient> {
  const source = 'subscribe' in instances ? instances : staticInstances(instances);
  // A busy machine takes its time, and both ends are held up together; who tries a limit gives one.
  const patient = { deadlineMs: 30_000, attemptMs: 30_000, keepAliveMs: 60_000 };
  const client = await RpcClient.open({ service: 'echo', instances: source, proto, ...patient, ...options });
  closers.push(() => client.close());
  return client.stub<EchoClient>('echo.v1.Echo');
}

const failureOf = (call: Promise<unknown>): Promise<CodedError> =>
  call.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: CodedError) => error,
  );

const context = (budgetMs: number) => ({
  requestId: 'r-7',
  traceId: 'c'.repeat(32),
  deadline: Deadline.after(budgetMs),
});

describe('a call', () => {
  it('takes request id, trace and what is left of the deadline along', async () => {
    let told: Metadata | undefined;
    let leftMs = Infinity;
    const { address } = await peer((call, answer) => {
      told = call.metadata;
      leftMs = Number(call.getDeadline()) - Date.now();
      answer(null, call.request);
    });
    const echo = await open([address], { deadlineMs: 60_000 });
    await runInContext(context(20_000), () =>
      echo.write({ text: 'x' }, { metadata: { authorization: 'Token t' } }),
    );
    expect(told!.get('x-request-id')).toEqual(['r-7']);
    expect(told!.get('authorization')).toEqual(['Token t']);
    expect(told!.get('traceparent')).toEqual([expect.stringMatching(/^00-c{32}-[0-9a-f]{16}-00$/)]);
    expect(leftMs).toBeLessThanOrEqual(20_001);
    await echo.write({ text: 'x' }, { deadlineMs: 10_000 });
    expect(leftMs).toBeLessThanOrEqual(10_001);
    expect(currentContext()).toBeUndefined();
  });

  it('is not made where the deadline has passed, and ends when it does', async () => {
    const server = await peer(() => undefined);
    const echo = await open([server.address]);
    const late = await runInContext(context(-1), () => failureOf(echo.write({ text: 'x' })));
    expect(late).toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED', status: 504 });
    expect(server.calls()).toBe(0);
    const slow = await failureOf(echo.write({ text: 'x' }, { deadlineMs: 60 }));
    expect(slow).toMatchObject({ code: 'RK_KERNEL_DEADLINE_EXCEEDED', status: 504, retryable: true });
    expect(slow.message).toContain('echo.v1.Echo/Write');
  });

  it('fails with the error that the server threw', async () => {
    const thrown = new CodedError(
      'RK_ECHO_SILENT',
      { status: 409, message: 'nobody says {word}', retryable: true },
      { data: { word: 'moo', n: 3 }, retryAfterSeconds: 4 },
    );
    const { address } = await peer((_, answer) => answer(statusOfError(thrown, 'echo.v1.Echo/Write')));
    const error = await failureOf((await open([address])).write({ text: 'x' }));
    expect(error).toBeInstanceOf(CodedError);
    expect(error).toMatchObject({
      code: 'RK_ECHO_SILENT',
      status: 409,
      message: 'nobody says moo',
      retryable: true,
      retryAfterSeconds: 4,
      data: { word: 'moo', n: 3 },
    });
  });

  it.each([
    [Status.NOT_FOUND, 'RK_RPC_NOT_FOUND', 404],
    [Status.UNAUTHENTICATED, 'RK_RPC_UNAUTHENTICATED', 401],
    [Status.PERMISSION_DENIED, 'RK_RPC_PERMISSION_DENIED', 403],
    [Status.INVALID_ARGUMENT, 'RK_RPC_INVALID_ARGUMENT', 400],
    [Status.RESOURCE_EXHAUSTED, 'RK_RPC_RESOURCE_EXHAUSTED', 429],
    [Status.INTERNAL, 'RK_RPC_INTERNAL', 500],
    [Status.UNAVAILABLE, 'RK_RPC_UNAVAILABLE', 503],
    [Status.DEADLINE_EXCEEDED, 'RK_KERNEL_DEADLINE_EXCEEDED', 504],
    [Status.UNIMPLEMENTED, 'RK_RPC_UNIMPLEMENTED', 501],
  ])('fails with a code of its own where a stranger answers %s', async (status, code, http) => {
    const { address } = await peer(failing(status));
    const error = await failureOf((await open([address])).write({ text: 'x' }));
    expect(error).toMatchObject({ code, status: http });
  });

  it('fails at once where nobody is known', async () => {
    const error = await failureOf((await open([])).write({ text: 'x' }));
    expect(error).toMatchObject({
      code: 'RK_RPC_UNAVAILABLE',
      message: expect.stringContaining('no replica of echo'),
    });
  });
});

describe('a retry', () => {
  function counting(): { meter: Meter; counts: Map<string, number> } {
    const counts = new Map<string, number>();
    const add = (value = 1, labels: Labels = {}) => {
      const outcome = labels['outcome'] ?? '';
      counts.set(outcome, (counts.get(outcome) ?? 0) + value);
    };
    return { counts, meter: { ...noopMeter, counter: () => ({ add }) } };
  }

  it('is made of idempotent calls only', async () => {
    const server = await peer(failing(Status.UNAVAILABLE));
    const echo = await open([server.address]);
    await failureOf(echo.write({ text: 'x' }));
    expect(server.calls()).toBe(1);
    await failureOf(echo.say({ text: 'x' }));
    expect(server.calls()).toBe(4);
    await failureOf(echo.write({ text: 'x' }, { idempotent: true }));
    expect(server.calls()).toBe(7);
  });

  it('is not made of a call that was refused', async () => {
    const server = await peer(failing(Status.NOT_FOUND));
    await failureOf((await open([server.address])).say({ text: 'x' }));
    expect(server.calls()).toBe(1);
  });

  it('is not made where the server says that there is no time for it', async () => {
    const server = await peer((_, answer) => {
      const metadata = new Metadata();
      metadata.set('grpc-retry-pushback-ms', '60000');
      answer({ code: Status.UNAVAILABLE, details: 'later', metadata });
    });
    await failureOf((await open([server.address])).say({ text: 'x' }));
    expect(server.calls()).toBe(1);
  });

  it('is made within the budget', async () => {
    const server = await peer(failing(Status.UNAVAILABLE));
    const { meter, counts } = counting();
    const echo = await open([server.address], { meter, retryBudget: { ratio: 0.2, perSecond: 1e-9 } });
    for (let call = 0; call < 50; call++) await failureOf(echo.say({ text: 'x' }));
    // 50 × 0.2, and nothing per second.
    expect(server.calls()).toBeGreaterThanOrEqual(55);
    expect(server.calls()).toBeLessThanOrEqual(60);
    expect(counts.get('made')).toBe(server.calls() - 50);
    expect(counts.get('no_budget')).toBeGreaterThan(0);
  });
});

describe('several replicas', () => {
  it('take turns', async () => {
    const servers = [await peer(echoing('1')), await peer(echoing('2')), await peer(echoing('3'))];
    const echo = await open(servers.map(({ address }) => address));
    // The first is called before the others are connected.
    while (servers.some((server) => server.calls() === 0)) await echo.write({ text: '' });
    const before = servers.map((server) => server.calls());
    for (let call = 0; call < 30; call++) await echo.write({ text: '' });
    expect(servers.map((server, i) => server.calls() - before[i]!)).toEqual([10, 10, 10]);
  });

  it('may be dead: then the others are called', async () => {
    const gone = await peer(echoing());
    gone.stop();
    const alive = await peer(echoing());
    const echo = await open([gone.address, alive.address]);
    for (let call = 0; call < 50; call++)
      await expect(echo.write({ text: 'x' })).resolves.toMatchObject({ text: 'x' });
    expect(alive.calls()).toBe(50);
  });

  it('may freeze: an idempotent call is made elsewhere, and the frozen one is soon passed over', async () => {
    const [one, other] = [await peer(echoing('1')), await peer(echoing('2'))];
    const way = await freezableWay(one.address);
    closers.push(() => way.close());
    const echo = await open([way.address, other.address], {
      attemptMs: 300,
      keepAliveMs: 600,
      deadlineMs: 20_000,
      // What answers may be held up for longer than an attempt is given, too.
      maxAttempts: 20,
      retryBudget: { perSecond: 1_000 },
    });
    while (one.calls() === 0 || other.calls() === 0) await echo.write({ text: '' }).catch(() => undefined);
    way.freeze();
    for (let call = 0; call < 10; call++)
      await expect(echo.say({ text: 'x' })).resolves.toMatchObject({ text: 'x2' });
    // The connection is given up after 0.9 s: from then on nothing waits for it, not even what cannot be made twice.
    const until = performance.now() + 30_000;
    for (let inARow = 0; inARow < 20;) {
      if (performance.now() > until) throw new Error('the frozen replica is still called');
      const ok = await echo.write({ text: 'x' }, { deadlineMs: 250 }).then(
        () => true,
        () => false,
      );
      inARow = ok ? inARow + 1 : 0;
    }
  });

  it('come and go', async () => {
    let tell: (addresses: readonly string[]) => void = () => undefined;
    let ended = 0;
    const source: InstanceSource = {
      subscribe: (listener) => {
        tell = listener;
        return () => (ended += 1);
      },
    };
    const patient = { deadlineMs: 30_000, keepAliveMs: 60_000 };
    const client = await RpcClient.open({ service: 'echo', instances: source, proto, ...patient });
    const echo = client.stub<EchoClient>('echo.v1.Echo');
    const [one, other] = [await peer(echoing('1')), await peer(echoing('2'))];
    // A call made before anything is known waits.
    const early = echo.write({ text: 'x' });
    await pause(1);
    tell([one.address]);
    await expect(early).resolves.toMatchObject({ text: 'x1' });
    tell([other.address]);
    while ((await echo.write({ text: 'x' })).text !== 'x2') await pause(1);
    // Nobody is known any more, which is no reason to leave who answers.
    tell([]);
    await expect(echo.write({ text: 'x' })).resolves.toMatchObject({ text: 'x2' });
    await client.close();
    expect(ended).toBe(1);
  });

  it('may restart: the client finds it again by itself', async () => {
    const server = await peer(echoing('1'));
    const echo = await open([server.address]);
    await echo.say({ text: 'x' });
    server.stop();
    await failureOf(echo.write({ text: 'x' }));
    await peer(echoing('2'), Number(server.address.split(':')[1]));
    const until = performance.now() + 30_000;
    while ((await echo.write({ text: 'x' }).catch(() => undefined))?.text !== 'x2') {
      if (performance.now() > until) throw new Error('the client did not come back');
      await pause(10);
    }
  });
});
