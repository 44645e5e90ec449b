import { connect } from 'node:net';

/** Sends bytes that no client library would, and gives all that comes back until the other side closes. */
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
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(limit);
      resolve(answer);
    });
    socket.write(text);
  });
}
