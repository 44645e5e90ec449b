import 'reflect-metadata';
import {
  Controller,
  createParamDecorator,
  Get,
  Header,
  Headers,
  HttpCode,
  Module,
  NotFoundException,
  Param,
  Post,
  Query,
  Req,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { currentContext, Deadline, runInContext } from '@rookery/kernel';
import fc from 'fast-check';
import { Cache, Cached, CacheModule, EarlyIndex, HttpCacheModule } from '../index.js';

const Caller = createParamDecorator(() => currentContext()?.viewerId);
const knowsItsViewer = Symbol('knows its viewer');
const KnowsViewer = (): MethodDecorator => (target, method) =>
  Reflect.defineMetadata(knowsItsViewer, true, (target as Record<string | symbol, object>)[method]!);

let loads: string[] = [];
let version = 0;

@Controller()
class Pages {
  @Get('public/:name')
  @Cached({ tags: ({ params }) => [`name:${params['name']}`], query: ['page'], ttlMs: 60_000, early: true })
  open(@Param('name') name: string, @Query() query: Record<string, unknown>) {
    if (name === 'none') throw new NotFoundException();
    loads.push(name);
    return { name, query, version, viewer: currentContext()?.viewerId ?? null };
  }

  @Get('own/:name')
  @KnowsViewer()
  @Cached({
    tags: ({ params, viewer }) => [`name:${params['name']}`, ...(viewer ? [`viewer:${viewer}`] : [])],
    query: ['page', 'tag'],
    viewer: true,
    early: true,
    ttlMs: 60_000,
  })
  own(@Param('name') name: string, @Caller() viewer: string | undefined, @Query() query: object) {
    loads.push(`${name} of ${viewer}`);
    return { name, viewer: viewer ?? null, query, version };
  }

  @Get('passed-by')
  @Cached({ tags: () => undefined, ttlMs: 1 })
  passedBy() {
    loads.push('passed by');
    return { version };
  }
}

async function start(controller: Type = Pages): Promise<NestFastifyApplication> {
  @Module({
    imports: [
      CacheModule.forRoot(),
      HttpCacheModule.forRoot({
        readsViewer: (_controller, handler) => Reflect.hasMetadata(knowsItsViewer, handler),
      }),
    ],
    controllers: [controller],
  })
  class Site {}
  const adapter = new FastifyAdapter();
  adapter.getInstance().addHook('onRequest', (request, _reply, done) => {
    const viewerId = request.headers.authorization;
    runInContext({ requestId: 'r', deadline: Deadline.after(60_000), ...(viewerId && { viewerId }) }, done);
  });
  const app = await NestFactory.create<NestFastifyApplication>(Site, adapter, {
    logger: false,
    abortOnError: false,
  });
  await app.listen(0, '127.0.0.1');
  return app;
}

describe('cached routes', () => {
  let app: NestFastifyApplication;
  let url: string;
  beforeAll(async () => {
    app = await start();
    url = await app.getUrl();
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    loads = [];
    version += 1;
    await app.get(Cache).invalidateAll();
  });

  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, { headers });
    const text = await response.text();
    return { response, text, body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>) };
  };
  const field = (response: Response, name: string) => response.headers.get(name);

  it('are loaded once, and say where their answer comes from', async () => {
    const first = await get('/public/a');
    const second = await get('/public/a');
    expect([first.text, loads]).toEqual([second.text, ['a']]);
    expect(field(first.response, 'cache-status')).toBe('rookery; fwd=miss; stored');
    expect(field(second.response, 'cache-status')).toMatch(/^rookery; hit; ttl=\d+$/);
    expect(field(second.response, 'content-type')).toBe('application/json; charset=utf-8');
    expect(field(second.response, 'cache-control')).toBe('private, no-cache');
    expect(field(second.response, 'vary')).toBeNull();
  });

  it('are not sent to who has them: 304 by any form of If-None-Match, until they change', async () => {
    const etag = field((await get('/public/a')).response, 'etag')!;
    for (const given of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const { response, text } = await get('/public/a', { 'if-none-match': given });
      expect([response.status, text, field(response, 'etag')]).toEqual([304, '', etag]);
    }
    expect((await get('/public/a', { 'if-none-match': '"x"' })).response.status).toBe(200);
    version += 1;
    await app.get(Cache).invalidate(['name:a']);
    expect((await get('/public/a', { 'if-none-match': etag })).response.status).toBe(200);
  });

  it('end with any of their tags, for all viewers or one', async () => {
    await Promise.all([get('/own/a'), get('/own/a', { authorization: 'ann' }), get('/own/b')]);
    loads = [];
    await app.get(Cache).invalidate(['viewer:ann']);
    await Promise.all([get('/own/a'), get('/own/a', { authorization: 'ann' }), get('/own/b')]);
    expect(loads).toEqual(['a of ann']);
    await app.get(Cache).invalidate(['name:a']);
    await Promise.all([get('/own/a'), get('/own/a', { authorization: 'ann' }), get('/own/b')]);
    expect([...loads].sort()).toEqual(['a of ann', 'a of ann', 'a of undefined']);
  });

  it('keep no failure', async () => {
    expect((await get('/public/none')).response.status).toBe(404);
    expect((await get('/public/none')).response.status).toBe(404);
    expect(app.get(Cache).stats().local.entries).toBe(0);
  });

  it('without tags are passed by', async () => {
    await get('/passed-by');
    const { response } = await get('/passed-by');
    expect([loads.length, field(response, 'cache-status')]).toEqual([2, 'rookery; fwd=bypass']);
  });

  it('give each viewer what was made for that viewer, whatever else the request says', async () => {
    const names = fc.constantFrom('a', 'b', 'a%2Fb', '[', '"', 'a,b');
    const text = fc.constantFrom('', '1', '2', 'null', '["1"]', 'x y', 'é');
    const requests = fc.record({
      kind: fc.constantFrom('public', 'own'),
      name: names,
      viewer: fc.option(fc.constantFrom('ann', 'bob', 'null', 'ann"'), { nil: undefined }),
      query: fc.array(fc.tuple(fc.constantFrom('page', 'tag', 'other', 'viewer', '__proto__'), text), {
        maxLength: 4,
      }),
      noise: fc.constantFrom<Record<string, string>>(
        {},
        { accept: 'text/html' },
        { 'x-forwarded-host': 'evil', 'x-forwarded-for': '1.2.3.4' },
        { 'x-viewer': 'bob', 'accept-language': 'de' },
        { host: 'evil.example' },
      ),
    });
    await fc.assert(
      fc.asyncProperty(requests, async ({ kind, name, viewer, query, noise }) => {
        const search = query.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
        const { body } = await get(`/${kind}/${encodeURIComponent(decodeURIComponent(name))}?${search}`, {
          ...noise,
          ...(viewer && { authorization: viewer }),
        });
        const expected: Record<string, unknown> = {};
        for (const declared of kind === 'own' ? ['page', 'tag'] : ['page']) {
          const values = query.filter(([key]) => key === declared).map(([, value]) => value);
          if (values.length > 0) expected[declared] = values.length === 1 ? values[0] : values;
        }
        expect(body).toMatchObject({ name: decodeURIComponent(name), query: expected, version });
        expect(Object.keys(body!['query'] as object).sort()).toEqual(Object.keys(expected).sort());
        if (kind === 'own') expect(body!['viewer']).toBe(viewer ?? null);
      }),
      { numRuns: 300 },
    );
  });

  it('are there before the router for who is anonymous, and only what anonymous callers had', async () => {
    const early = app.get(EarlyIndex);
    await get('/own/a?page=1', { authorization: 'ann' });
    expect(early.find('/own/a?page=1', {})).toBeUndefined();
    const { text, response } = await get('/own/a?page=1');
    const found = early.find('/own/a?page=1', {})!;
    expect([found.status, found.route, found.body!.toString()]).toEqual([200, '/own/:name', text]);
    expect(found.headers).toMatchObject({ vary: 'Authorization', etag: field(response, 'etag') });
    expect(early.find('/own/a?page=2', {})).toBeUndefined();
    const { 'content-type': type, ...others } = found.headers;
    expect(type).toContain('json');
    expect(early.find('/own/a?page=1', { 'if-none-match': found.headers['etag'] })).toEqual({
      status: 304,
      route: found.route,
      headers: { ...others, 'cache-status': expect.stringMatching(/^rookery; hit; ttl=\d+$/) as string },
      body: undefined,
    });
    expect(early.find('/own/a?page=1', { 'if-none-match': '"x"' })).toMatchObject({ status: 200 });
    await app.get(Cache).invalidate(['name:a']);
    expect(early.find('/own/a?page=1', {})).toBeUndefined();
  });

  it('are there before the router for a viewer that is known, and nobody has those of another', async () => {
    const early = app.get(EarlyIndex);
    const url = '/own/early?page=1';
    const { text } = await get(url, { authorization: 'ann' });
    expect(early.find(url, {}, 'ann')!.body!.toString()).toBe(text);
    expect(early.find(url, {}, 'bob')).toBeUndefined();
    expect(early.find(url, {})).toBeUndefined();
    const same = early.find(url, {}, 'ann');
    await get(url);
    expect(early.find(url, {}, 'bob')).toBeUndefined();
    expect(early.find(url, {}, 'ann')!.body).toBe(same!.body);
    await app.get(Cache).invalidate(['name:early']);
    expect(early.find(url, {}, 'ann')).toBeUndefined();
    const anew = await get(url, { authorization: 'ann' });
    expect(early.find(url, {}, 'ann')!.body!.toString()).toBe(anew.text);
  });

  it('are there for a known viewer where the answer is the same for all', async () => {
    const early = app.get(EarlyIndex);
    const { text } = await get('/public/early');
    expect(early.find('/public/early', {}, 'ann')!.body!.toString()).toBe(text);
  });
});

describe('an application does not start with a cached route that', () => {
  const cached = { tags: () => ['t'], ttlMs: 1_000 };

  @Controller()
  class ReadsViewer {
    @Get()
    @KnowsViewer()
    @Cached(cached)
    route() {
      return currentContext()?.viewerId;
    }
  }
  @Controller()
  class Decorated {
    @Get()
    @Cached(cached)
    route(@Caller() caller: string) {
      return caller;
    }
  }
  @Controller()
  class TakesHeaders {
    @Get()
    @Cached(cached)
    route(@Headers('accept-language') language: string) {
      return language;
    }
  }
  @Controller()
  class TakesRequest {
    @Get()
    @Cached(cached)
    route(@Req() request: { url: string }) {
      return request.url;
    }
  }
  @Controller()
  class TakesQuery {
    @Get()
    @Cached({ ...cached, query: ['page'] })
    route(@Query('sort') sort: string) {
      return sort;
    }
  }
  @Controller()
  class SetsHeader {
    @Get()
    @Header('x-a', 'b')
    @Cached(cached)
    route() {
      return 1;
    }
  }
  @Controller()
  class SetsStatus {
    @Get()
    @HttpCode(203)
    @Cached(cached)
    route() {
      return 1;
    }
  }
  @Controller()
  class Writes {
    @Post()
    @Cached(cached)
    route() {
      return 1;
    }
  }

  it.each([
    ['knows its viewer and is not keyed by it', ReadsViewer, 'viewer: true'],
    ['has a parameter decorator of its own', Decorated, 'parameter decorator'],
    ['takes header fields', TakesHeaders, 'HEADERS'],
    ['takes the request', TakesRequest, 'REQUEST'],
    ['takes a name of the query that it does not declare', TakesQuery, 'sort'],
    ['sets header fields', SetsHeader, '@Header'],
    ['sets a status', SetsStatus, '@HttpCode'],
    ['is no GET', Writes, 'no GET'],
  ])('%s', async (_, controller, reason) => {
    await expect(start(controller)).rejects.toMatchObject({
      code: 'RK_CACHE_BAD_ROUTE',
      message: expect.stringContaining(reason) as string,
    });
  });
});
