/**
 * The baseline of `hit`: node:http that sends the bytes and header fields it was given in a file, whatever is asked. Nothing
 * is looked up, counted or logged.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Recorded } from '../recorded.js';

const { headers, body } = JSON.parse(await readFile(process.argv[2]!, 'utf8')) as Recorded;
const bytes = Buffer.from(body, 'base64');
const fields = headers.flat();

const server = createServer((_request, response) => {
  response.writeHead(200, fields);
  response.end(bytes);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  process.stdout.write(`baseline on http://127.0.0.1:${port}/api\n`);
});
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
