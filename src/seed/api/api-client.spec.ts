import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkConduit } from './accounts.js';
import { ApiClient, ApiFault, ApiUnreachable } from './api-client.js';

let server: Server;
let asked: string[];
let answer: (response: ServerResponse, count: number) => void;

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`.trim());
    answer(response, asked.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const client = (signal?: AbortSignal) =>
  new ApiClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api`, signal);
const json = (response: ServerResponse, status: number, body: unknown, headers = {}): void =>
  void response.writeHead(status, headers).end(JSON.stringify(body));

describe('the client of the API', () => {
  it('asks with a token, and gives what was answered', async () => {
    answer = (response) => json(response, 200, { user: 1 });
    expect(await client().ask('GET', '/user', { token: 't' })).toEqual({ status: 200, body: { user: 1 } });
    expect(asked).toEqual(['GET /api/user Token t']);
  });

  it('asks again when a busy site says so, and only then', async () => {
    answer = (response, count) =>
      count < 3 ? json(response, 503, {}, { 'retry-after': '0.01' }) : json(response, 201, { ok: true });
    expect((await client().ask('POST', '/users', { body: {} })).status).toBe(201);
    expect(asked).toHaveLength(3);
    answer = (response) => json(response, 500, { errors: { server: ['broken'] } });
    await expect(client().ask('POST', '/users', { body: {} })).rejects.toThrow(
      /^POST \/users answered 500: .*broken/,
    );
    expect(asked).toHaveLength(4);
  });

  it('gives up on a site that is busy for ever', async () => {
    answer = (response) => json(response, 429, {}, { 'retry-after': '0.001' });
    await expect(client().ask('GET', '/tags')).rejects.toBeInstanceOf(ApiFault);
    expect(asked).toHaveLength(8);
  });

  it('takes the answers that were asked for as answers', async () => {
    answer = (response) => json(response, 409, { errors: {} });
    expect((await client().ask('POST', '/users', { accepted: [409] })).status).toBe(409);
  });

  it('does not ask twice when a connection breaks: it may have been heard', async () => {
    answer = (response) => response.destroy();
    await expect(client().ask('POST', '/articles', { body: {} })).rejects.toBeInstanceOf(ApiUnreachable);
    expect(asked).toHaveLength(1);
  });

  it('says in one line that nobody answers', async () => {
    await expect(new ApiClient('http://127.0.0.1:1/api').ask('GET', '/tags')).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:1\/api does not answer \(.+\)$/,
    );
  });

  it('knows a site that is not Conduit', async () => {
    answer = (response) => json(response, 200, { hello: 'world' });
    await expect(checkConduit(client())).rejects.toThrow(/not what Conduit answers/);
    answer = (response) => void response.end('<html>');
    await expect(checkConduit(client())).rejects.toThrow(/no JSON: <html>/);
    answer = (response) => json(response, 200, { tags: [] });
    await checkConduit(client());
  });

  it('stops waiting when it is told to', async () => {
    const stop = new AbortController();
    answer = (response) => {
      json(response, 503, {}, { 'retry-after': '10' });
      setImmediate(() => stop.abort(new Error('enough')));
    };
    await expect(client(stop.signal).ask('GET', '/tags')).rejects.toThrow();
    expect(asked).toHaveLength(1);
  });
});
