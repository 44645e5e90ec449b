import { connect } from 'node:net';
import { discoveryErrors } from '../../discovery.errors.js';

const LIMIT_MS = 3_000;
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * Says commands to HAProxy's runtime socket and gives what it answers to all of them.
 * @throws RK_DISCOVERY_EDGE_AWAY after three seconds, too
 */
export function askHaproxy(socket: string, commands: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket });
    let answer = '';
    const fail = (reason: string, cause?: unknown): void => {
      connection.destroy();
      reject(discoveryErrors.create('EDGE_AWAY', { data: { balancer: 'haproxy', reason }, cause }));
    };
    const limit = setTimeout(() => fail(`no answer at ${socket} after ${LIMIT_MS / 1_000} s`), LIMIT_MS);
    connection.setEncoding('utf8');
    connection.on('data', (text: string) => {
      answer += text;
      if (answer.length > MOST_BYTES) fail('it answers without end');
    });
    connection.once('error', (cause) => fail(cause.message, cause));
    connection.once('end', () => resolve(answer));
    connection.once('close', () => clearTimeout(limit));
    // It closes the connection when it has answered one line.
    connection.write(`${commands.join('; ')}\n`);
  });
}
