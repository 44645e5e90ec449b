import { Controller, Module, NotFoundException, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GrpcMethod, GrpcStreamMethod } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Client, credentials, Metadata, status as Status, type ServiceError } from '@grpc/grpc-js';
import { currentContext, defineErrors, type RequestContext } from '@rookery/kernel';
import { map, Observable, of, toArray } from 'rxjs';
import { serviceOf } from '../proto/load-proto.js';
import { rpcErrors } from '../rpc.errors.js';
import { decodeDetails } from '../status/details.js';
import { echoProto, type Words } from '../testing/echo.js';
import { healthProto } from './health-service.js';
import type { CallDone, RpcServerOptions } from './rpc.options.js';
import type { RpcServer } from './rpc.server.js';
import { startRpc } from './start-rpc.js';

const errors = defineErrors('ECHO', {
  SILENT: { status: 404, message: 'nobody says {word}' },
  BUSY: { status: 503, message: 'the secret disk is full', retryable: true },
});

let seen: RequestContext | undefined;
let hold: Promise<void> = Promise.resolve();
let entered: () => void = () => undefined;

@Controller()
class EchoController {
  @GrpcMethod('echo.v1.Echo', 'Say')
  async say({ text }: Words): Promise<Words> {
    seen = currentContext();
    entered();
    await hold;
    if (text === 'silent') throw errors.create('SILENT', { data: { word: 'moo' } });
    if (text === 'busy') throw errors.create('BUSY', { retryAfterSeconds: 2 });
    if (text === 'nest') throw new NotFoundException('no nest');
    if (text === 'bug') throw new TypeError('the secret is undefined');
    return { text: `${text}!` };
  }

  @GrpcMethod('echo.v1.Echo', 'Count')
  count({ text }: Words): Observable<Words> {
    return of(1, 2, 3).pipe(map((n) => ({ text: `${text} ${n} ${currentContext()?.route}` })));
  }

  // Nest hands the requests over once the method has returned.
  @GrpcStreamMethod('echo.v1.Echo', 'Join')
  join(words: Observable<Words>): Observable<Words> {
    return words.pipe(
      toArray(),
      map((all) => ({
        text: all.map(({ text }) => text).join(' '),
        more: [currentContext()?.requestId ?? 'none'],
      })),
    );
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

const proto = echoProto();
const echo = serviceOf(proto, 'echo.v1.Echo');
const health = serviceOf(healthProto, 'grpc.health.v1.Health');
const closers: (() => unknown)[] = [];
const done: CallDone[] = [];
const faults: unknown[] = [];

afterEach(async () => {
  hold = Promise.resolve();
  for (const close of closers.splice(0).reverse()) await close();
  done.length = 0;
  faults.length = 0;
});

async function serve(
  options: Partial<RpcServerOptions> = {},
): Promise<{ server: RpcServer; client: Client }> {
  const app: INestApplication = await NestFactory.create(EchoModule, new FastifyAdapter(), { logger: false });
  await app.init();
  closers.push(() => app.close());
  const server = await startRpc(app, {
    proto,
    packages: ['echo.v1'],
    port: 0,
    // A busy machine takes its time; who tries the deadline gives one.
    deadlineMs: 60_000,
    onCallDone: (call) => done.push(call),
    onError: (error) => faults.push(error),
    ...options,
  });
  const client = new Client(server.address!, credentials.createInsecure());
  closers.push(() => client.close());
  return { server, client };
}

function say(client: Client, text: string, metadata = new Metadata(), timeoutMs = 20_000): Promise<Words> {
  const { path, requestSerialize, responseDeserialize } = echo['Say']!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { text },
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error, answer) => (error ? reject(error) : resolve(answer as Words)),
    );
  });
}

/** What the call fails with. */
async function failure(call: Promise<unknown>): Promise<ServiceError> {
  return call.then(
    () => Promise.reject(new Error('the call succeeded')),
    (error: ServiceError) => error,
  );
}

function until(): Promise<void> {
  return new Promise((resolve) => (entered = resolve));
}

describe('a port of its own', () => {
  it('serves calls, and is free again when it has stopped', async () => {
    const { server, client } = await serve({ exclusive: true });
    await expect(say(client, 'hey')).resolves.toMatchObject({ text: 'hey!' });
    await server.drain();
    const port = Number(server.address!.split(':')[1]);
    const { client: next } = await serve({ exclusive: true, port });
    await expect(say(next, 'again')).resolves.toMatchObject({ text: 'again!' });
  });

  it('answers what is under way when it stops, and takes nothing new', async () => {
    const { server, client } = await serve({ exclusive: true });
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const began = until();
    const call = say(client, 'hey');
    await began;
    const drained = server.drain();
    const late = new Client(server.address!, credentials.createInsecure());
    closers.push(() => late.close());
    expect((await failure(say(late, 'late'))).code).toBe(Status.UNAVAILABLE);
    release();
    await expect(call).resolves.toMatchObject({ text: 'hey!' });
    await drained;
  });

  it('ends calls at the limit of its stop', async () => {
    const { server, client } = await serve({ exclusive: true });
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const began = until();
    const call = failure(say(client, 'hey'));
    await began;
    await server.drain(50);
    expect((await call).code).not.toBe(Status.OK);
    release();
  });

  it('that is taken is told with its address', async () => {
    const { server } = await serve({ exclusive: true });
    const port = Number(server.address!.split(':')[1]);
    await expect(serve({ exclusive: true, port })).rejects.toMatchObject({
      code: rpcErrors.codes.LISTEN_FAILED,
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    });
  });
});

describe('a call', () => {
  it('has a context with the request id, the trace and the deadline of its caller', async () => {
    const { client } = await serve();
    const metadata = new Metadata();
    metadata.set('x-request-id', 'r-1');
    metadata.set('traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`);
    await expect(say(client, 'hey', metadata, 30_000)).resolves.toMatchObject({ text: 'hey!' });
    expect(seen).toMatchObject({ requestId: 'r-1', traceId: 'a'.repeat(32), route: 'echo.v1.Echo/Say' });
    expect(seen!.deadline.budgetMs).toBeLessThanOrEqual(30_000);
    expect(seen!.deadline.budgetMs).toBeGreaterThan(10_000);
    expect(done).toEqual([
      expect.objectContaining({
        method: 'echo.v1.Echo/Say',
        status: 'OK',
        requestId: 'r-1',
        code: undefined,
      }),
    ]);
  });

  it('has the deadline of the server where its caller gives more, and is answered then, whatever its handler does', async () => {
    const { client } = await serve({ deadlineMs: 50 });
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const late = await failure(say(client, 'hey'));
    expect(late.code).toBe(Status.DEADLINE_EXCEEDED);
    expect(late.metadata.get('x-error-code')).toEqual(['RK_KERNEL_DEADLINE_EXCEEDED']);
    release();
    hold = Promise.resolve();
    // The server goes on; fifty milliseconds may be too few for the one call or the other.
    const again = () =>
      say(client, 'again').catch((error: ServiceError) => {
        if (error.code !== Status.DEADLINE_EXCEEDED) throw error;
        return undefined;
      });
    let answer = await again();
    while (!answer) answer = await again();
    expect(answer).toMatchObject({ text: 'again!' });
    expect([done.at(0)?.status, done.at(-1)?.status]).toEqual(['DEADLINE_EXCEEDED', 'OK']);
  });

  it('has its context in streams of requests and of answers', async () => {
    const { client } = await serve();
    const { path, requestSerialize, responseDeserialize } = echo['Join']!;
    const metadata = new Metadata();
    metadata.set('x-request-id', 'r-2');
    const joined = new Promise<unknown>((resolve, reject) => {
      const call = client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadata,
        (error, answer) => (error ? reject(error) : resolve(answer)),
      );
      call.write({ text: 'a' });
      call.write({ text: 'b' });
      call.end();
    });
    await expect(joined).resolves.toEqual({ text: 'a b', more: ['r-2'] });
    const count = echo['Count']!;
    const counted = client.makeServerStreamRequest(
      count.path,
      count.requestSerialize,
      count.responseDeserialize,
      {
        text: 'n',
      },
    );
    const texts: string[] = [];
    for await (const { text } of counted as AsyncIterable<Words>) texts.push(text);
    expect(texts).toEqual([1, 2, 3].map((n) => `n ${n} echo.v1.Echo/Count`));
  });

  it('is reported as cancelled where its caller leaves', async () => {
    const { client } = await serve();
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const reported = new Promise<void>((resolve) => {
      const push = done.push.bind(done);
      done.push = (...calls) => {
        resolve();
        return push(...calls);
      };
    });
    const { path, requestSerialize, responseDeserialize } = echo['Say']!;
    const inside = until();
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { text: 'x' },
      () => undefined,
    );
    await inside;
    call.cancel();
    await reported;
    release();
    expect(done[0]).toMatchObject({ status: 'CANCELLED' });
  });
});

describe('an error', () => {
  it('below 500 is told with its code, message and data', async () => {
    const { client } = await serve();
    const error = await failure(say(client, 'silent'));
    expect(error).toMatchObject({ code: Status.NOT_FOUND, details: 'nobody says moo' });
    const [details] = error.metadata.get('grpc-status-details-bin') as [Buffer];
    expect(decodeDetails(details)).toEqual({
      reason: 'RK_ECHO_SILENT',
      domain: 'rookery',
      metadata: { 'http-status': '404', retryable: 'false', 'data.word': '"moo"' },
    });
    expect(done[0]).toMatchObject({ status: 'NOT_FOUND', code: 'RK_ECHO_SILENT' });
    expect(faults).toEqual([]);
  });

  it('of 500 and above is told by its code only, and to the server in full', async () => {
    const { client } = await serve();
    const busy = await failure(say(client, 'busy'));
    expect(busy.code).toBe(Status.UNAVAILABLE);
    expect(busy.details).not.toContain('secret');
    expect(busy.metadata.get('x-error-code')).toEqual(['RK_ECHO_BUSY']);
    expect(busy.metadata.get('grpc-retry-pushback-ms')).toEqual(['2000']);
    const bug = await failure(say(client, 'bug'));
    expect(bug.code).toBe(Status.INTERNAL);
    expect(JSON.stringify([bug.details, bug.metadata.toJSON()])).not.toContain('secret');
    expect(faults).toEqual([expect.objectContaining({ code: 'RK_ECHO_BUSY' }), expect.any(TypeError)]);
  });

  it("of Nest's own keeps its status", async () => {
    const { client } = await serve();
    expect(await failure(say(client, 'nest'))).toMatchObject({ code: Status.NOT_FOUND });
  });

  it('is what a message too large gets', async () => {
    const { client } = await serve({ maxMessageBytes: 1_000 });
    expect(await failure(say(client, 'x'.repeat(2_000)))).toMatchObject({ code: Status.RESOURCE_EXHAUSTED });
  });
});

describe('health', () => {
  function check(client: Client, service: string): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = health['Check']!;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  }

  it('is told by service, and to those who watch as soon as a stop begins', async () => {
    const { server, client } = await serve();
    await expect(check(client, '')).resolves.toEqual({ status: 'SERVING' });
    await expect(check(client, 'echo.v1.Echo')).resolves.toEqual({ status: 'SERVING' });
    expect(await failure(check(client, 'no.such'))).toMatchObject({ code: Status.NOT_FOUND });
    const { path, requestSerialize, responseDeserialize } = health['Watch']!;
    const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      service: '',
    });
    const states: unknown[] = [];
    for await (const state of watch) {
      states.push(state);
      if (states.length === 1) server.stopServing();
      else {
        // Still answered: only told.
        await expect(say(client, 'hey')).resolves.toMatchObject({ text: 'hey!' });
        await expect(check(client, '')).resolves.toEqual({ status: 'NOT_SERVING' });
        void server.drain();
      }
    }
    expect(states).toEqual([{ status: 'SERVING' }, { status: 'NOT_SERVING' }]);
    expect(done.map(({ method }) => method)).toEqual(['echo.v1.Echo/Say']);
  });
});

describe('reflection', () => {
  it('can be left out', async () => {
    const { client } = await serve({ reflection: false });
    expect(await failure(listServices(client))).toMatchObject({ code: Status.UNIMPLEMENTED });
  });

  it('lists what is served', async () => {
    const { client } = await serve();
    expect(await listServices(client)).toEqual(
      expect.arrayContaining(['echo.v1.Echo', 'grpc.health.v1.Health']),
    );
  });
});

/** By bytes, as a client without generated code would: field 7 asks for the list, field 6 answers it. */
function listServices(client: Client): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const call = client.makeBidiStreamRequest(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    call.on('error', reject);
    call.on('data', (bytes: Buffer) => {
      call.end();
      resolve(bytes.toString('latin1').match(/[a-z][\w.]*\.[A-Z]\w+/g) ?? []);
    });
    call.write(Buffer.from([0x3a, 0x01, 0x2a]));
  });
}

describe('a stop', () => {
  it('answers what is under way, and takes nothing new', async () => {
    const { server, client } = await serve();
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const inside = until();
    const underWay = say(client, 'hey');
    await inside;
    const stopped = server.drain(30_000);
    const other = new Client(server.address!, credentials.createInsecure());
    closers.push(() => other.close());
    expect(await failure(say(other, 'new'))).toMatchObject({ code: Status.UNAVAILABLE });
    release();
    await expect(underWay).resolves.toMatchObject({ text: 'hey!' });
    await stopped;
  });

  it('cuts what has not ended at its limit', async () => {
    const { server, client } = await serve();
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    const inside = until();
    const cut = failure(say(client, 'hey'));
    await inside;
    await server.drain(20);
    expect((await cut).code).not.toBe(Status.OK);
    release();
  });
});

it('says which address it cannot have', async () => {
  const { server } = await serve();
  const port = Number(server.address!.split(':')[1]);
  await expect(serve({ port })).rejects.toMatchObject({ code: 'RK_RPC_LISTEN_FAILED' });
});
