import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const A = 1;
const SRV = 33;
const SERVFAIL = 2;
const NXDOMAIN = 3;

export interface SrvRecord {
  readonly priority: number;
  readonly name: string;
  readonly port: number;
}

/** A name server (RFC 1035, RFC 2782) on loopback that says what a test wants, over UDP, of as many records as fit there. */
export class DnsServer {
  readonly a = new Map<string, readonly string[]>();
  readonly srv = new Map<string, readonly SrvRecord[]>();
  /** `silent`: no answer at all; `failing`: SERVFAIL. */
  mode: 'answering' | 'silent' | 'failing' = 'answering';

  private constructor(private readonly socket: Socket) {
    socket.on('message', (query, { address, port }) => {
      if (this.mode !== 'silent') socket.send(this.answerTo(query), port, address);
    });
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DnsServer(socket);
  }

  /** `address:port` */
  get address(): string {
    const { address, port } = this.socket.address();
    return `${address}:${port}`;
  }

  async close(): Promise<void> {
    this.socket.close();
    await once(this.socket, 'close');
  }

  private answerTo(query: Buffer): Buffer {
    const { name, type, end } = questionOf(query);
    const records = type === A ? (this.a.get(name) ?? []).map(ofA) : [];
    if (type === SRV) records.push(...(this.srv.get(name) ?? []).map(ofSrv));
    const failed = this.mode === 'failing';
    const code = failed ? SERVFAIL : records.length === 0 ? NXDOMAIN : 0;
    const header = Buffer.alloc(12);
    header.writeUInt16BE(query.readUInt16BE(0), 0);
    // An answer, by an authority, and recursion is available.
    header.writeUInt16BE(0x8580 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(failed ? 0 : records.length, 6);
    return Buffer.concat([header, query.subarray(12, end), ...(failed ? [] : records)]);
  }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('ascii', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** Of the name that was asked for, which stands at byte 12. */
function record(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function ofA(address: string): Buffer {
  return record(A, Buffer.from(address.split('.').map(Number)));
}

function ofSrv({ priority, name, port }: SrvRecord): Buffer {
  const numbers = Buffer.alloc(6);
  numbers.writeUInt16BE(priority, 0);
  numbers.writeUInt16BE(port, 4);
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`));
  return record(SRV, Buffer.concat([numbers, ...labels, Buffer.from([0])]));
}
