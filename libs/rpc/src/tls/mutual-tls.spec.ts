import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GrpcMethod } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { staticInstances } from '../client/instance-source.js';
import { RpcClient } from '../client/rpc-client.js';
import { startRpc } from '../server/start-rpc.js';
import { testAuthority } from '../testing/certificates.js';
import { echoProto, type EchoClient, type Words } from '../testing/echo.js';
import type { RpcTls } from './tls-files.js';

@Controller()
class EchoController {
  @GrpcMethod('echo.v1.Echo', 'Say')
  say({ text }: Words): Words {
    return { text };
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

const proto = echoProto();
const authority = testAuthority();
const closers: (() => unknown)[] = [];
let folder: string;

beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'rookery-tls-'))));
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Files of a certificate under this name, and of who is believed. */
async function files(
  of: string,
  names: string[],
  by = authority,
  believed = authority.cert,
): Promise<RpcTls> {
  const { cert, key } = by.issue(...names);
  const [certFile, keyFile, caFile] = ['crt', 'key', 'ca'].map((kind) => join(folder, `${of}.${kind}`));
  await writeFile(certFile!, cert);
  await writeFile(keyFile!, key);
  await writeFile(caFile!, believed);
  return { certFile: certFile!, keyFile: keyFile!, caFile: caFile!, reloadMs: 20 };
}

async function serve(tls: RpcTls, onError?: (error: unknown) => void, exclusive = false): Promise<string> {
  const app = await NestFactory.create(EchoModule, new FastifyAdapter(), { logger: false });
  await app.init();
  closers.push(() => app.close());
  const server = await startRpc(app, {
    proto,
    packages: ['echo.v1'],
    port: 0,
    exclusive,
    tls,
    drainMs: 100,
    onError,
  });
  return server.address!;
}

async function call(address: string, tls: RpcTls | undefined): Promise<string> {
  const client = await RpcClient.open({
    service: 'echo',
    instances: staticInstances([address]),
    proto,
    deadlineMs: 20_000,
    ...(tls ? { tls } : {}),
  });
  try {
    return (await client.stub<EchoClient>('echo.v1.Echo').write({ text: 'hey' })).text;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await client.close();
  }
}

// `Write` has no handler: who gets as far as that is let in.
const LET_IN = 'RK_RPC_UNIMPLEMENTED';
const REFUSED = 'RK_RPC_UNAVAILABLE';

describe('mutual TLS', () => {
  it.each([
    ['shared with workers', false],
    ['of its own', true],
  ])('on a port %s lets in who shows a certificate of the authority, and nobody else', async (_, own) => {
    const address = await serve(await files('server', ['echo']), undefined, own);
    const client = await files('client', ['somebody']);
    expect(await call(address, client)).toBe(LET_IN);
    expect(await call(address, { caFile: client.caFile! })).toBe(REFUSED);
    expect(await call(address, await files('stranger', ['somebody'], testAuthority('test authority')))).toBe(
      REFUSED,
    );
    expect(await call(address, undefined)).toBe(REFUSED);
  });

  it('does not take another service for the one called', async () => {
    const address = await serve(await files('server', ['billing']));
    expect(await call(address, await files('client', ['somebody']))).toBe(REFUSED);
  });

  it('of a server without an authority lets in everybody who believes it', async () => {
    const { caFile, ...tls } = await files('server', ['echo']);
    const address = await serve(tls);
    expect(await call(address, { caFile: caFile! })).toBe(LET_IN);
    expect(await call(address, await files('client', ['somebody']))).toBe(LET_IN);
  });

  it('follows the files, and keeps what it had where they cannot be used', async () => {
    const problems: unknown[] = [];
    const tls = await files('server', ['echo']);
    const address = await serve(tls, (error) => problems.push(error));
    const other = testAuthority('another');
    const client = await files('client', ['somebody'], other, other.cert);
    expect(await call(address, client)).toBe(REFUSED);
    await writeFile(tls.keyFile!, 'not a key');
    const until = performance.now() + 30_000;
    while (problems.length === 0 && performance.now() < until) await pause(5);
    expect(problems[0]).toMatchObject({ code: 'RK_RPC_BAD_TLS' });
    expect(await call(address, await files('client', ['somebody']))).toBe(LET_IN);
    await files('server', ['echo'], other, other.cert);
    const renewed = await files('renewed', ['somebody'], other, other.cert);
    while ((await call(address, renewed)) !== LET_IN && performance.now() < until) await pause(5);
    expect(await call(address, renewed)).toBe(LET_IN);
  });

  it('says which file is at fault', async () => {
    const tls = await files('server', ['echo']);
    await expect(serve({ ...tls, caFile: join(folder, 'none') })).rejects.toMatchObject({
      code: 'RK_RPC_BAD_TLS',
      message: expect.stringContaining('none cannot be read (ENOENT)'),
    });
    const other = await files('other', ['echo']);
    await expect(serve({ ...tls, keyFile: other.keyFile! })).rejects.toMatchObject({
      code: 'RK_RPC_BAD_TLS',
    });
    await expect(serve({ certFile: tls.certFile! })).rejects.toMatchObject({ code: 'RK_RPC_BAD_TLS' });
  });
});
