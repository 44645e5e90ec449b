import { Agent, request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { closeHttp, leavePort } from './index.js';
import { nextHanging, startSite, type Hanging, type Site } from './testing/site.js';

const idle = async (port: number) => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  return socket;
};

async function hang(site: Site): Promise<{ pending: Promise<Response>; hanging: Hanging }> {
  const begun = nextHanging();
  const pending = fetch(`${site.url}/hang`);
  return { pending, hanging: await begun };
}

test('close does not wait for idle connections, used or never used', async () => {
  const site = await startSite();
  const agent = new Agent({ keepAlive: true });
  const used = request(`${site.url}/raw`, { agent }).end();
  const [response] = await once(used, 'response');
  await once(response.resume(), 'end');
  const unused = await idle(site.port);
  const unusedClosed = once(unused, 'close');
  const started = performance.now();
  await site.close();
  // Far from the ten seconds after which what is left is cut, and from the time that idle connections are kept.
  expect(performance.now() - started).toBeLessThan(5_000);
  await unusedClosed;
  agent.destroy();
});

test('a request under way gets its answer, and its connection is closed after it', async () => {
  const site = await startSite();
  const { pending, hanging } = await hang(site);
  const closing = closeHttp(site.app);
  while (site.app.getHttpServer().listening) await new Promise(setImmediate);
  await expect(fetch(`${site.url}/raw`)).rejects.toThrow('fetch failed');
  hanging.release({ finished: true });
  const response = await pending;
  expect(await response.json()).toEqual({ finished: true });
  const started = performance.now();
  await closing;
  expect(performance.now() - started).toBeLessThan(5_000);
  await site.close();
});

test('a request on a kept connection is still served while closing', async () => {
  const site = await startSite();
  const { pending, hanging } = await hang(site);
  const accepted = once(site.app.getHttpServer(), 'connection') as Promise<[Socket]>;
  const socket = await idle(site.port);
  const [serverSide] = await accepted;
  socket.write('GET /raw HTTP/1.1\r\nhost: x\r\n');
  while (serverSide.bytesRead === 0) await new Promise(setImmediate);
  const closing = closeHttp(site.app);
  socket.write('\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /);
  expect(answer.toString()).toMatch(/connection: close/i);
  hanging.release({});
  await pending;
  await closing;
});

test('a port that is left takes no connection, and those that are there are served until it is closed', async () => {
  const site = await startSite();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async () => {
    const [response] = (await once(request(`${site.url}/raw`, { agent }).end(), 'response')) as [
      IncomingMessage,
    ];
    await once(response.resume(), 'end');
    return [response.statusCode, response.headers.connection];
  };
  expect(await ask()).toEqual([200, 'keep-alive']);
  leavePort(site.app);
  await expect(fetch(`${site.url}/raw`)).rejects.toThrow('fetch failed');
  expect(await ask()).toEqual([200, 'keep-alive']);
  const { sockets, freeSockets } = agent;
  expect([Object.keys(sockets).length, Object.values(freeSockets).flat().length]).toEqual([0, 1]);
  const started = performance.now();
  await closeHttp(site.app);
  await site.close();
  expect(performance.now() - started).toBeLessThan(5_000);
  agent.destroy();
});

test('what does not finish is cut at the limit', async () => {
  const site = await startSite();
  const { pending, hanging } = await hang(site);
  const outcome = pending.catch(() => 'cut');
  const started = performance.now();
  await closeHttp(site.app, 200);
  const took = performance.now() - started;
  expect(took).toBeGreaterThan(190);
  expect(took).toBeLessThan(5_000);
  expect(await outcome).toBe('cut');
  hanging.release({});
});
