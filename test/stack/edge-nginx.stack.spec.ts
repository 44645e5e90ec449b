// needs: nginx, openssl
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import type { Proxy } from '@rookery/devstack/testing';
import { eventually } from '@rookery/discovery/testing';
import { PlainReplica } from './support/plain-replica.js';
import { nginxBefore } from './support/proxies.js';
import { rawRequest } from './support/raw-request.js';
import { ask } from './support/traffic.js';

/** The files of `deploy/nginx`, in a real Nginx, in front of two servers. */
let one: PlainReplica;
let two: PlainReplica;
let nginx: Proxy;
const times = (method: string, url: string): number => one.countOf(method, url) + two.countOf(method, url);
const lastSeen = () => [...one.seen, ...two.seen].find(({ url }) => url === '/seen')!;

beforeAll(async () => {
  [one, two] = await Promise.all([PlainReplica.start('one'), PlainReplica.start('two')]);
  nginx = await nginxBefore([one, two]);
});
beforeEach(() => {
  for (const replica of [one, two]) {
    replica.misbehaves = true;
    replica.seen.length = 0;
  }
});
afterAll(async () => {
  await nginx.close();
  await Promise.all([one.close(), two.close()]);
});

describe('retries', () => {
  // A replica that has failed is left out for two seconds, after which both are tried again.
  beforeEach(() =>
    eventually('both to be in use', async () => {
      await ask(`${nginx.url}/`);
      return one.countOf('GET', '/') > 0 && two.countOf('GET', '/') > 0;
    }),
  );

  it.each(['/break', '/busy'])('a GET of %s goes on to another replica', async (path) => {
    two.misbehaves = false;
    for (let n = 0; n < 6; n += 1)
      expect(await ask(nginx.url + path)).toMatchObject({ status: 200, body: 'two' });
    expect(one.countOf('GET', path)).toBeGreaterThan(0);
  });

  it.each([
    ['/break', 502],
    ['/busy', 503],
  ])('a POST of %s that fails has been at one replica, once', async (path, expected) => {
    const { status } = await ask(nginx.url + path, { method: 'POST', body: 'x' });
    expect(status).toBe(expected);
    expect(times('POST', path)).toBe(1);
  });

  it('a failure that no replica has answered is told as a problem', async () => {
    const { headers, body } = await ask(`${nginx.url}/break`, { method: 'POST', body: 'x' });
    expect(headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ status: 502 });
  });

  it('any request goes past a replica that takes no connection: nothing was sent to it', async () => {
    const { address } = two;
    await two.close();
    for (let n = 0; n < 8; n += 1)
      expect(await ask(`${nginx.url}/`, { method: 'POST', body: 'x' })).toMatchObject({ status: 200 });
    await two.listen(Number(address.split(':')[1]));
  });

  it('a replica that does not answer costs its time limit, and no more than two are tried', async () => {
    const impatient = await nginxBefore([one, two], { READ_TIMEOUT: '300ms' });
    const { status } = await ask(`${impatient.url}/late`);
    expect(status).toBe(504);
    // Replicas are of this process, which may have been held up: the answer can come to it before what they were asked.
    await eventually('two to have been asked', () => times('GET', '/late') >= 2);
    expect(times('GET', '/late')).toBe(2);
    await impatient.close();
  });
});

describe('what is refused', () => {
  it('both Content-Length and Transfer-Encoding', async () => {
    const answer = await rawRequest(
      nginx.url,
      'POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /inner HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer.match(/HTTP\/1.1 /g)).toHaveLength(1);
    expect(times('POST', '/smuggled') + times('GET', '/inner')).toBe(0);
  });

  it('header fields beyond 32 KiB, and one beyond 8', async () => {
    const large = `GET /large-header HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(9_000)}\r\n\r\n`;
    expect(await rawRequest(nginx.url, large)).toMatch(/^HTTP\/1.1 4(00|31) /);
    const many = Array.from({ length: 40 }, (_, at) => `X-${at}: ${'x'.repeat(1_000)}\r\n`).join('');
    const answer = await rawRequest(nginx.url, `GET /large-header HTTP/1.1\r\nHost: x\r\n${many}\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 4(00|31) /);
    expect(times('GET', '/large-header')).toBe(0);
  });

  it('a body over the limit, whether it says so or not', async () => {
    const head = 'POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
    const said = await rawRequest(nginx.url, `${head}Content-Length: 1048577\r\n\r\n`);
    expect(said).toMatch(/^HTTP\/1.1 413 /);
    expect(said).toContain('application/problem+json');
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`.repeat(17);
    const unsaid = await rawRequest(
      nginx.url,
      `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`,
    ).catch((error: NodeJS.ErrnoException) => error.code);
    // The connection may be reset before all of it is sent.
    expect(unsaid).toMatch(/^HTTP\/1.1 413 |ECONNRESET|EPIPE/);
    expect(times('POST', '/body')).toBe(0);
    const body = 'x'.repeat(1_048_576);
    expect((await ask(`${nginx.url}/body`, { method: 'POST', body })).status).toBe(200);
  });

  it('operations, however their path is written', async () => {
    for (const path of [
      '/metrics',
      '/metrics/',
      '/%6detrics',
      '//metrics',
      '/a/../metrics',
      '/health',
      '/operations/x',
    ]) {
      const answer = await rawRequest(
        nginx.url,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1.1 404 /);
    }
    expect([...one.seen, ...two.seen]).toEqual([]);
    expect((await ask(`${nginx.url}/health/ready`)).status).toBe(200);
  });

  it('requests over the rate of an address', async () => {
    const limited = await nginxBefore([one, two], { RATE: '1r/m', BURST: '3' });
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(`${limited.url}/`)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(6);
    expect(refused[0]?.headers['retry-after']).toBe('1');
    // As told by a trusted proxy, another address has a rate of its own.
    const other = await ask(`${limited.url}/`, { headers: { 'x-forwarded-for': '192.0.2.1' } });
    expect(other.status).toBe(200);
    await limited.close();
  });
});

describe('what replicas are told', () => {
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it('a request id and a trace, made where there is none that is well formed', async () => {
    const headers = { 'x-request-id': 'not good!', traceparent: '00-zz' };
    const { headers: given } = await ask(`${nginx.url}/seen`, { headers });
    const { headers: made } = lastSeen();
    expect(made['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
    expect(made['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    expect(given['x-request-id']).toBe(made['x-request-id']);
  });

  it('those of the caller, where they are', async () => {
    await ask(`${nginx.url}/seen`, { headers: { 'x-request-id': 'mine-1.2_3', traceparent: trace } });
    expect(lastSeen().headers).toMatchObject({ 'x-request-id': 'mine-1.2_3', traceparent: trace });
  });

  it('the address and scheme of the client: as a trusted proxy says, or of who connects', async () => {
    const headers = {
      'x-forwarded-for': '198.51.100.7, 192.0.2.1',
      'x-forwarded-proto': 'https',
      'x-real-ip': '198.51.100.7',
      forwarded: 'for=198.51.100.7',
      upgrade: 'h2c',
    };
    await ask(`${nginx.url}/seen`, { headers });
    expect(lastSeen().headers).toMatchObject({
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-proto': 'https',
    });
    one.seen.length = two.seen.length = 0;
    const alone = await nginxBefore([one], { TRUSTED_PROXY: '192.0.2.0/24' });
    await ask(`${alone.url}/seen`, { headers });
    const { headers: told } = lastSeen();
    expect(told).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' });
    for (const name of ['x-real-ip', 'forwarded', 'upgrade']) expect(told[name]).toBeUndefined();
    await alone.close();
  });
});

describe('what clients get', () => {
  it('header fields that keep browsers from guessing, where the site has set none', async () => {
    const { headers } = await ask(`${nginx.url}/`);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
    expect(headers['server']).toBe('nginx');
  });

  it('less to carry, where they can unpack it', async () => {
    const packed = await ask(`${nginx.url}/large`, { headers: { 'accept-encoding': 'gzip' } });
    expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    expect((await ask(`${nginx.url}/large`)).headers['content-encoding']).toBeUndefined();
  });

  it('a line in the access log that is JSON, whatever they send', async () => {
    await ask(`${nginx.url}/said?"quotes"\\`, { headers: { 'user-agent': '"\\ \u00e9' } });
    const log = join(nginx.folder, 'logs/access.log');
    let line: Record<string, unknown> | undefined;
    await eventually('the line to be there', async () => {
      const lines = (await readFile(log, 'utf8')).trim().split('\n');
      const all = lines.map((text) => JSON.parse(text) as Record<string, unknown>);
      line = all.find((one) => String(one['url.original']).startsWith('/said'));
      return line !== undefined;
    });
    expect(line).toMatchObject({ 'http.response.status_code': 200, 'client.ip': '127.0.0.1' });
  });
});

describe('with certificates', () => {
  let folder: string;
  let secured: Proxy;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rookery-tls-'));
    const [certificate, key] = [join(folder, 'site.pem'), join(folder, 'site.key')];
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await promisify(execFile)('openssl', [
      ...request,
      ...['-keyout', key, '-out', certificate, '-days', '2', '-subj', '/CN=localhost'],
    ]);
    secured = await nginxBefore([one, two], { CERTIFICATE: certificate, CERTIFICATE_KEY: key });
  });
  afterAll(async () => {
    await secured.close();
    await rm(folder, { recursive: true });
  });

  it('serves HTTP/2, and says to come by TLS only', async () => {
    const session = connectHttp2(`https://127.0.0.1:${secured.ports[1]}`, { rejectUnauthorized: false });
    const stream = session.request({ ':path': '/seen' });
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    stream.resume();
    await once(stream, 'close');
    await new Promise<void>((closed) => session.close(closed));
    expect(headers).toMatchObject({ ':status': 200, 'strict-transport-security': 'max-age=63072000' });
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(lastSeen().headers).toMatchObject({ 'x-forwarded-proto': 'https' });
  });

  it('speaks TLS 1.2 and later', async () => {
    expect(await handshake(secured, 'TLSv1.2')).toBe('TLSv1.2');
    expect(await handshake(secured, 'TLSv1.3')).toBe('TLSv1.3');
    await expect(handshake(secured, 'TLSv1.1')).rejects.toThrow();
  });
});

async function handshake(
  { ports }: Proxy,
  version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3',
): Promise<string | null> {
  const socket: TLSSocket = connectTls({
    port: ports[1],
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    // Or this side would refuse before the other could.
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  try {
    await once(socket, 'secureConnect');
    return socket.getProtocol();
  } finally {
    socket.destroy();
  }
}
