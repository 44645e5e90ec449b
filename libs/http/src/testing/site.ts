import 'reflect-metadata';
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Body,
  ConflictException,
  Controller,
  Delete,
  Get,
  Header,
  Headers,
  Injectable,
  Module,
  NotFoundException,
  Param,
  Post,
  Query,
  UseGuards,
  type CanActivate,
  type PipeTransform,
} from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CodedError, currentContext, kernelErrors, type RequestContext } from '@rookery/kernel';
import { z } from 'zod';
import {
  createHttpApplication,
  Endpoint,
  integerParameter,
  RawJson,
  text,
  type HttpOptions,
} from '../index.js';

export const Thing = z
  .object({ name: text({ min: 1, max: 100 }), note: z.string().nullable().optional() })
  .meta({ id: 'Thing' });
export const NewThing = z.object({
  thing: z.object({
    name: text({ min: 1, max: 100 }),
    tags: z.array(z.string()).optional(),
    count: z.int().optional(),
  }),
});
const Page = z.object({
  limit: integerParameter({ min: 1, max: 100, default: 20 }),
  tag: z.string().optional(),
});
const Numbered = z.object({ id: integerParameter({ min: 1 }) });

/** Where each stage of a request leaves the context it saw. */
export const seen: Record<string, RequestContext | undefined> = {};
/** A handler of `/hang` that has begun, to be ended by the test. */
export interface Hanging {
  readonly release: (value: unknown) => void;
  readonly fail: (error: Error) => void;
}
const begun = new EventEmitter();

/** The next handler of `/hang` to begin. */
export async function nextHanging(): Promise<Hanging> {
  const [hanging] = (await once(begun, 'hanging')) as [Hanging];
  return hanging;
}

@Injectable()
class SeeingGuard implements CanActivate {
  canActivate(): boolean {
    seen['guard'] = currentContext();
    const context = currentContext();
    if (context !== undefined) context.viewerId = 'viewer-1';
    return true;
  }
}

class SeeingPipe implements PipeTransform {
  transform(value: unknown): unknown {
    seen['pipe'] = currentContext();
    return value;
  }
}

@Controller('things')
class ThingController {
  @Get()
  @Endpoint({
    summary: 'List things',
    operationId: 'listThings',
    tags: ['things'],
    auth: 'optional',
    responses: {
      200: { description: 'A page', schema: z.object({ things: z.array(Thing) }) },
      422: 'Bad page',
    },
  })
  list(@Query({ schema: Page }) page: z.output<typeof Page>) {
    return { things: [], page };
  }

  @Post()
  @UseGuards(SeeingGuard)
  @Endpoint({
    summary: 'Make a thing',
    operationId: 'createThing',
    tags: ['things'],
    auth: 'required',
    responses: { 201: Thing, 401: 'No credentials', 422: 'Bad input' },
  })
  async create(@Body({ schema: NewThing, pipes: [new SeeingPipe()] }) body: z.output<typeof NewThing>) {
    await delay(1);
    seen['handler'] = currentContext();
    return body.thing;
  }

  @Get(':id')
  one(@Param({ schema: Numbered }) { id }: z.output<typeof Numbered>) {
    return { id };
  }

  @Get('named/:name')
  named(@Param('name') name: string) {
    return { name };
  }

  @Post(':id/star')
  @Endpoint({ summary: 'Star it', operationId: 'star', responses: { 200: 'Starred' } })
  star() {
    return { starred: true };
  }

  @Delete(':id')
  @Endpoint({ summary: 'Delete it', operationId: 'deleteThing', responses: { 204: 'Gone' } })
  remove(): void {}
}

@Controller()
class OddController {
  @Post('echo')
  echo(@Body() body: unknown, @Query() query: unknown) {
    return { body: body ?? null, query };
  }

  @Get('raw')
  raw() {
    return new RawJson('{"raw" : true}');
  }

  @Get('raw-bytes')
  rawBytes() {
    return new RawJson(Buffer.from('{"raw" : "bytes"}'));
  }

  @Get('cached')
  @Header('cache-control', 'max-age=60')
  cached() {
    return {};
  }

  @Get('hang')
  hang() {
    return new Promise<unknown>((release, fail) => {
      begun.emit('hanging', { release, fail } satisfies Hanging);
    });
  }

  @Get('whoami')
  @Endpoint({
    summary: 'Show credentials',
    operationId: 'whoami',
    auth: 'required',
    responses: { 200: 'Them' },
  })
  whoami(@Headers('authorization') authorization: string) {
    return { authorization };
  }

  @Get('context')
  context() {
    const { requestId, traceId, route, deadline } = currentContext()!;
    return { requestId, traceId, route, budgetMs: deadline.budgetMs };
  }

  @Get('fail/:how')
  fail(@Param('how') how: string) {
    switch (how) {
      case 'coded':
        throw new CodedError(
          'RK_TEST_AWAY',
          { status: 503, message: 'shard {shard} is away' },
          { data: { shard: 'secret-host' }, retryAfterSeconds: 2.1 },
        );
      case 'id':
        throw kernelErrors.create('BAD_ID', { data: { id: 'x' } });
      case 'nest':
        throw new ConflictException('there is one already');
      case 'missing':
        throw new NotFoundException('no such thing');
      default:
        throw new TypeError('password=hunter2');
    }
  }
}

@Module({ controllers: [ThingController, OddController] })
export class SiteModule {}

export interface Site {
  readonly app: NestFastifyApplication;
  readonly url: string;
  readonly port: number;
  /** What was logged. */
  readonly logged: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[];
  close(): Promise<void>;
}

export async function startSite(
  options: HttpOptions = {},
  module = SiteModule,
  beforeListening: (app: NestFastifyApplication) => void = () => undefined,
): Promise<Site> {
  const logged: Site['logged'] = [];
  const log = (fields: Readonly<Record<string, unknown>>, message: string) =>
    logged.push({ fields, message });
  const app = await createHttpApplication(module, {
    nestLogger: false,
    logger: { error: log, warn: log },
    // A busy machine takes its time; who tries the deadline gives one.
    deadlineMs: 60_000,
    ...options,
  });
  beforeListening(app);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as { port: number };
  return { app, url: `http://127.0.0.1:${port}`, port, logged, close: () => app.close() };
}

/** Sends bytes and gives everything that comes back until the server closes, or `until` has come. */
export function sendRaw(port: number, bytes: string | Buffer, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (until?.test(answer) === true) {
        socket.destroy();
        resolve(answer);
      }
    });
    socket.on('end', () => {
      socket.destroy();
      resolve(answer);
    });
    socket.on('error', reject);
    socket.write(bytes);
  });
}

export interface ProblemBody {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly requestId: string;
  readonly fields?: { readonly field: string; readonly in: string; readonly reason: string }[];
}

export async function problemIn(response: Response): Promise<ProblemBody> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  return (await response.json()) as ProblemBody;
}
