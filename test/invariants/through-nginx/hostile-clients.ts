import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { rawRequest } from '../../stack/support/raw-request.js';

const SLOW_ONES = 30;
const BROKEN_OFF = 30;
const SMUGGLED = 10;
const BETWEEN_BYTES_MS = 250;
const BODY = JSON.stringify({ user: { email: 'nobody@example.org', password: 'x' } });
const LOGIN = 'POST /api/users/login HTTP/1.1\r\nHost: site\r\nContent-Type: application/json\r\n';

/** All of them at once, for so long. @throws where one of them gets what it must not */
export async function hostileClients(url: string, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  await Promise.all([
    ...Array.from({ length: SLOW_ONES }, (_, at) => slowly(url, at % 2 === 0 ? 'head' : 'body', end)),
    ...Array.from({ length: BROKEN_OFF }, (_, at) => brokenOff(url, (at * forMs) / BROKEN_OFF)),
    ...Array.from({ length: SMUGGLED }, (_, at) => refused(url, withTwoLengths, (at * forMs) / SMUGGLED)),
    ...Array.from({ length: SMUGGLED }, (_, at) => refused(url, withHugeHeaders, (at * forMs) / SMUGGLED)),
  ]);
}

const withTwoLengths = `${LOGIN}Content-Length: ${BODY.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
const withHugeHeaders = `GET /api/tags HTTP/1.1\r\nHost: site\r\nX-Huge: ${'x'.repeat(64_000)}\r\n\r\n`;

/** One byte after the other, and never to the end. */
async function slowly(url: string, what: 'head' | 'body', end: number): Promise<void> {
  const socket = await connected(url);
  const text = what === 'head' ? LOGIN : `${LOGIN}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
  let at = what === 'head' ? 0 : text.length - BODY.length;
  socket.write(text.slice(0, at));
  for (; performance.now() < end && !socket.destroyed && at < text.length - 1; at += 1) {
    socket.write(text[at]!);
    await pause(BETWEEN_BYTES_MS);
  }
  socket.destroy();
}

/** An upload that ends in the middle. */
async function brokenOff(url: string, afterMs: number): Promise<void> {
  await pause(afterMs);
  const socket = await connected(url);
  socket.write(`${LOGIN}Content-Length: 500000\r\n\r\n${'x'.repeat(100_000)}`);
  await pause(BETWEEN_BYTES_MS);
  socket.destroy();
}

/** @throws unless it is told that the request is wrong */
async function refused(url: string, request: string, afterMs: number): Promise<void> {
  await pause(afterMs);
  const answer = await rawRequest(url, request);
  const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
  if (statuses.length !== 1 || statuses[0]! < 400 || statuses[0]! > 499)
    throw new Error(`${request.slice(0, 40)} … was answered by ${statuses.join(', ') || 'nothing'}`);
}

/** Whatever becomes of the connection afterwards: Nginx may close it at any time. */
function connected(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
    socket.once('error', reject);
    socket.resume();
  });
}
