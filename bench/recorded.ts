import { request } from 'node:http';

/** An answer as it came over the wire. */
export interface Recorded {
  /** Without what node:http adds by itself. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** In base64. */
  readonly body: string;
}

const BY_NODE = new Set(['date', 'connection', 'keep-alive']);

/** @throws if it is not 200 */
export function record(port: number, path: string, headers: Record<string, string> = {}): Promise<Recorded> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        if (response.statusCode !== 200) {
          return reject(new Error(`${path} was answered ${response.statusCode}: ${body.toString()}`));
        }
        const fields: (readonly [string, string])[] = [];
        for (let i = 0; i < response.rawHeaders.length; i += 2) {
          const name = response.rawHeaders[i]!.toLowerCase();
          if (!BY_NODE.has(name)) fields.push([name, response.rawHeaders[i + 1]!]);
        }
        resolve({ headers: fields, body: body.toString('base64') });
      });
    })
      .on('error', reject)
      .end();
  });
}
