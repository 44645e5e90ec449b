import { connect } from 'node:net';

/**
 * Sends bytes that no client library would, and gives all that comes back until the other side closes; or resets the
 * connection, as a system does for whoever closes before he has read everything.
 */
export function rawRequest(url: string, text: string, limitMs = 15_000): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let answer = '';
    const limit = setTimeout(
      () => socket.destroy(new Error(`open after ${limitMs} ms, with ${answer}`)),
      limitMs,
    );
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      answer !== '' && error.code === 'ECONNRESET' ? resolve(answer) : reject(error),
    );
    socket.once('close', () => {
      clearTimeout(limit);
      resolve(answer);
    });
    socket.write(text);
  });
}
