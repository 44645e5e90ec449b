import 'reflect-metadata';
import {
  Catch,
  Controller,
  Get,
  Module,
  Post,
  UsePipes,
  type ArgumentsHost,
  type ExceptionFilter,
  type INestApplication,
  type PipeTransform,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { CodedError, currentContext, Deadline, newId, runInContext, type Id } from '@rookery/kernel';
import { KeySet } from './key-set.js';
import { PasswordHasher } from './password-hasher.js';
import { SecurityModule } from './security.module.js';
import { TokenService } from './token.service.js';
import { Authenticated, OptionalViewer, Viewer, viewerRule } from './viewer.decorators.js';

const secret = 'a secret of more than thirty-two bytes';
const ann = newId(77);
const clock = { at: Date.now(), now: () => clock.at, monotonic: () => clock.at };

class NeverReached implements PipeTransform {
  static reached = 0;
  transform(value: unknown) {
    NeverReached.reached += 1;
    return value;
  }
}

const answer = (viewer: Id | undefined) => ({ viewer, context: currentContext()?.viewerId });

@Controller()
class Routes {
  @Get('public')
  everyone(@Viewer() viewer: Id | undefined) {
    return answer(viewer);
  }

  @Get('mine')
  @Authenticated()
  mine(@Viewer() viewer: Id) {
    return answer(viewer);
  }

  @Get('page')
  @OptionalViewer()
  page(@Viewer() viewer: Id | undefined) {
    return answer(viewer);
  }

  @Post('articles/:slug')
  @Authenticated()
  @UsePipes(NeverReached)
  write(@Viewer() viewer: Id) {
    return answer(viewer);
  }
}

@Controller('account')
@Authenticated()
class Account {
  constructor(private readonly passwords: PasswordHasher) {}

  @Get()
  show(@Viewer() viewer: Id) {
    return {
      ...answer(viewer),
      rehash: this.passwords.needsRehash('$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g'),
    };
  }

  @Get('hint')
  @OptionalViewer()
  hint(@Viewer() viewer: Id | undefined) {
    return answer(viewer);
  }
}

@Catch(CodedError)
class Problems implements ExceptionFilter<CodedError> {
  catch(error: CodedError, host: ArgumentsHost) {
    host
      .switchToHttp()
      .getResponse()
      .code(error.status)
      .send({ code: error.code, reason: error.data['reason'] });
  }
}

@Module({
  imports: [
    SecurityModule.forRootAsync({
      useFactory: async () => ({
        keys: await KeySet.fromSecret(secret),
        schemes: ['Token', 'Bearer'],
        tokenTtlSeconds: 60,
        clock,
      }),
    }),
  ],
  controllers: [Routes, Account],
})
class Site {}

let app: INestApplication;
let url: string;
let tokens: TokenService;
beforeAll(async () => {
  const adapter = new FastifyAdapter();
  // As the request path does it: the whole request runs in its context.
  adapter.getInstance().addHook('onRequest', (_request, _reply, done) => {
    runInContext({ requestId: 'test', deadline: Deadline.after(5000) }, done);
  });
  app = await NestFactory.create(Site, adapter, { logger: false });
  app.useGlobalFilters(new Problems());
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  tokens = app.get(TokenService);
});
afterAll(() => app.close());

async function call(path: string, authorization?: string, method = 'GET') {
  const response = await fetch(`${url}/${path}`, {
    method,
    ...(authorization === undefined ? {} : { headers: { authorization } }),
  });
  return {
    status: response.status,
    body: await response.json(),
    challenge: response.headers.get('www-authenticate'),
  };
}

const missing = { status: 401, body: { code: 'RK_SECURITY_TOKEN_MISSING' }, challenge: 'Token' };
const invalid = (reason: string) => ({
  status: 401,
  body: { code: 'RK_SECURITY_TOKEN_INVALID', reason },
  challenge: 'Token error="invalid_token"',
});
const viewer = (id?: Id) => ({
  status: 200,
  body: id === undefined ? {} : { viewer: id, context: id },
  challenge: null,
});

describe('ViewerGuard, over HTTP', () => {
  it('tells a required route who calls, under either scheme, first by the signature and then from memory', async () => {
    const token = await tokens.sign(ann);
    expect(tokens.peek(token)).toBeUndefined();
    expect(await call('mine', `Token ${token}`)).toEqual(viewer(ann));
    expect(tokens.peek(token)).toBeDefined();
    expect(await call('mine', `Token ${token}`)).toEqual(viewer(ann));
    expect(await call('mine', `bearer ${token}`)).toEqual(viewer(ann));
  });

  it('refuses a required route without a token, or with one that is no good', async () => {
    expect(await call('mine')).toEqual(missing);
    expect(await call('mine', 'Token ')).toEqual(missing);
    expect(await call('mine', `Basic ${await tokens.sign(ann)}`)).toEqual(missing);
    expect(await call('mine', 'Token nonsense')).toEqual(invalid('malformed'));
    const token = await tokens.sign(ann);
    expect(await call('mine', `Token ${token}x`)).toEqual(invalid('wrong signature'));
    expect(await call('mine', `Token ${'x'.repeat(5000)}`)).toEqual(invalid('too long'));
  });

  it('takes a bad, expired or absent token for none where it is optional', async () => {
    const token = await tokens.sign(ann);
    expect(await call('page')).toEqual(viewer());
    expect(await call('page', 'Token nonsense')).toEqual(viewer());
    expect(await call('page', `Token ${token}`)).toEqual(viewer(ann));
    clock.at += 70_000;
    expect(await call('page', `Token ${token}`)).toEqual(viewer());
    expect(await call('mine', `Token ${token}`)).toEqual(invalid('expired'));
  });

  it('leaves a public route anonymous, whatever the header says', async () => {
    expect(await call('public', `Token ${await tokens.sign(ann)}`)).toEqual(viewer());
    expect(await call('public', 'Token nonsense')).toEqual(viewer());
  });

  it('answers before anything else of the route runs', async () => {
    expect(await call('articles/not-there', undefined, 'POST')).toEqual(missing);
    expect(NeverReached.reached).toBe(0);
    expect((await call('articles/not-there', `Token ${await tokens.sign(ann)}`, 'POST')).status).toBe(201);
    expect(NeverReached.reached).toBeGreaterThan(0);
  });

  it("guards a whole controller; a method's own rule wins", async () => {
    expect(await call('account')).toEqual(missing);
    const token = await tokens.sign(ann);
    expect((await call('account', `Token ${token}`)).body).toEqual({
      viewer: ann,
      context: ann,
      rehash: true,
    });
    expect(await call('account/hint')).toEqual(viewer());
    expect(viewerRule(Account, Reflect.get(Account.prototype, 'hint'))).toBe('optional');
    expect(viewerRule(Account, Reflect.get(Account.prototype, 'show'))).toBe('required');
    expect(viewerRule(Routes, Reflect.get(Routes.prototype, 'everyone'))).toBeUndefined();
  });

  it('keeps viewers apart when their requests are mixed', async () => {
    const ids = Array.from({ length: 40 }, (_, slot) => newId(slot));
    const signed = await Promise.all(ids.map((id) => tokens.sign(id)));
    for (const path of ['mine', 'page']) {
      const answers = await Promise.all(signed.map((token) => call(path, `Token ${token}`)));
      expect(answers).toEqual(ids.map((id) => viewer(id)));
    }
  });
});
