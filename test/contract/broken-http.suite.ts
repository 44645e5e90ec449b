import { connect, type Socket } from 'node:net';
import type { Member } from '../support/actor.js';
import { useConduit } from '../support/conduit.js';
import { errorFaultsOf } from './conformance.js';
import { edgeFaultsOf, isOfEdge, type Edge } from './edge.js';
import type { SiteOptions } from '../support/site.js';

/**
 * Bytes that are no request, or hardly one. The site answers in Conduit's form, or closes; and it serves the next client.
 *
 * @param edge refuses most of it itself, by a problem document, since it is not made for one site only
 */
export function brokenHttpSuite(options: SiteOptions = {}, edge: Edge = 'none'): void {
  const conduit = useConduit(options);
  let ada: Member;

  beforeAll(async () => {
    ada = await conduit.someone('ada');
  });

  afterEach(async () => {
    expect((await conduit.anonymous().profile(ada.name)).status).toBe(200);
  });

  interface Reply {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly text: string;
  }

  /** The deadlines of sites are shorter. */
  const LIMIT_MS = 30_000;

  function open(): Socket {
    const { hostname, port } = new URL(conduit.site.baseUrl);
    return connect(Number(port), hostname);
  }

  /** Sends the bytes on a connection of their own and reads until the site closes it. */
  function exchange(bytes: string | Buffer): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      const socket = open();
      const chunks: Buffer[] = [];
      socket.setTimeout(LIMIT_MS, () => socket.destroy(new Error('the site neither answered nor closed')));
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', reject);
      socket.on('close', () => resolve(repliesIn(Buffer.concat(chunks).toString('latin1'))));
      socket.write(bytes);
    });
  }

  function repliesIn(text: string): Reply[] {
    const replies: Reply[] = [];
    let rest = text;
    while (rest !== '') {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) throw new Error(`half an answer: ${rest}`);
      const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
      const headers = Object.fromEntries(
        lines.map((line) => [
          line.slice(0, line.indexOf(':')).toLowerCase(),
          line.slice(line.indexOf(':') + 1).trim(),
        ]),
      );
      const length = Number(headers['content-length'] ?? 0);
      const body = rest.slice(end + 4, end + 4 + length);
      if (body.length < length) throw new Error(`half a body: ${rest}`);
      replies.push({ status: Number(first.split(' ')[1]), headers, text: body });
      rest = rest.slice(end + 4 + length);
    }
    return replies;
  }

  function expectRefusal(reply: Reply | undefined): void {
    const { status = 0, headers = {}, text = '' } = reply ?? {};
    expect([status >= 400 && status < 500, status]).toEqual([true, status]);
    const incoming = { status, headers, text, elapsedMs: 0 };
    expect(isOfEdge(edge, incoming) ? edgeFaultsOf(incoming) : errorFaultsOf(incoming)).toEqual([]);
  }

  const HOST = 'host: conduit.test\r\n';
  const CLOSE = 'connection: close\r\n';
  const BODY = '{"user":{"email":"a@b.c","password":"x"}}';

  describe('bytes that are not a request', () => {
    it.each([
      ['no HTTP', 'HELO conduit\r\n\r\n'],
      ['TLS', Buffer.from('16030100c8010000c40303', 'hex')],
      ['an unknown method', `BREW /api/tags HTTP/1.1\r\n${HOST}${CLOSE}\r\n`],
      ['no host', `GET /api/tags HTTP/1.1\r\n${CLOSE}\r\n`],
      ['U+0000 in the path', `GET /api/\u0000tags HTTP/1.1\r\n${HOST}\r\n`],
      ['U+0000 in a header field', `GET /api/tags HTTP/1.1\r\n${HOST}x: a\u0000b\r\n\r\n`],
      ['a header field without a name', `GET /api/tags HTTP/1.1\r\n${HOST}${CLOSE}: x\r\n\r\n`],
      ['a huge header field', `GET /api/tags HTTP/1.1\r\n${HOST}x: ${'x'.repeat(100_000)}\r\n\r\n`],
      ['10,000 header fields', `GET /api/tags HTTP/1.1\r\n${HOST}${'x: y\r\n'.repeat(10_000)}\r\n`],
      ['a huge path', `GET /api/${'x'.repeat(100_000)} HTTP/1.1\r\n${HOST}\r\n`],
      ['a negative length', `POST /api/users/login HTTP/1.1\r\n${HOST}content-length: -1\r\n\r\n${BODY}`],
      ['a length of letters', `POST /api/users/login HTTP/1.1\r\n${HOST}content-length: many\r\n\r\n${BODY}`],
      [
        'two lengths',
        `POST /api/users/login HTTP/1.1\r\n${HOST}content-length: 1\r\ncontent-length: 41\r\n\r\n${BODY}`,
      ],
      ...[
        ['a length and chunks', ['content-length: 4', 'transfer-encoding: chunked']],
        ['chunks and a length', ['transfer-encoding: chunked', 'content-length: 4']],
        ['a length and chunks in capitals', ['content-length: 4', 'Transfer-Encoding: Chunked']],
      ].map(([name, fields]): [string, string] => [
        `${String(name)}, and another request behind them`,
        `POST /api/users/login HTTP/1.1\r\n${HOST}${[fields].flat().join('\r\n')}\r\n\r\n0\r\n\r\nGET /api/tags HTTP/1.1\r\n${HOST}\r\n`,
      ]),
      [
        'broken chunks',
        `POST /api/users/login HTTP/1.1\r\n${HOST}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nx\r\n`,
      ],
    ])('%s', async (_, bytes) => {
      const replies = await exchange(bytes);
      expectRefusal(replies[0]);
      // What comes after it is not read for another request.
      expect(replies).toHaveLength(1);
    });

    it.each([
      ['an unknown version', 505, `GET /api/tags HTTP/9.9\r\n${HOST}\r\n`],
      [
        'an unknown encoding',
        501,
        `POST /api/users/login HTTP/1.1\r\n${HOST}transfer-encoding: feathers\r\n\r\n${BODY}`,
      ],
    ])('%s, which Nginx says by a %d', async (_, ofNginx, bytes) => {
      const [reply, ...others] = await exchange(bytes);
      expect(others).toEqual([]);
      if (edge === 'none') return expectRefusal(reply);
      expect(reply?.status).toBe(ofNginx);
      expect(edgeFaultsOf({ ...reply!, elapsedMs: 0 })).toEqual([]);
    });
  });

  describe('a connection', () => {
    it('answers requests that come together, in their order', async () => {
      const requests = [
        `GET /api/tags HTTP/1.1\r\n${HOST}\r\n`,
        `GET /api/articles?limit=x HTTP/1.1\r\n${HOST}\r\n`,
        `GET /api/profiles/%zz HTTP/1.1\r\n${HOST}\r\n`,
        `POST /api/users/login HTTP/1.1\r\n${HOST}content-type: application/json\r\ncontent-length: 1\r\n\r\n{`,
        `GET /api/profiles/${ada.name} HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`,
      ];
      const replies = await exchange(requests.join(''));
      const statuses = replies.map(({ status }) => status);
      // Nginx reads no further on a connection on which a path came that cannot be decoded.
      expect(statuses).toEqual(edge === 'none' ? [200, 422, 422, 422, 200] : [200, 422, 400]);
    });

    it('that a client leaves in the middle of a body holds nothing up', async () => {
      const socket = open();
      socket.on('error', () => undefined);
      const head = `POST /api/users HTTP/1.1\r\n${HOST}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"user`;
      await new Promise((resolve) => socket.write(head, resolve));
      socket.destroy();
      expect((await ada.me()).status).toBe(200);
    });

    it('that closes before its answer is sent leaves the write whole', async () => {
      const bio = conduit.unique('bio');
      const json = JSON.stringify({ user: { bio } });
      const socket = open();
      socket.on('error', () => undefined);
      const head = `PUT /api/user HTTP/1.1\r\n${HOST}authorization: Token ${ada.user.token}\r\ncontent-type: application/json\r\n`;
      await new Promise((resolve) =>
        socket.write(`${head}content-length: ${json.length}\r\n\r\n${json}`, resolve),
      );
      socket.destroy();
      const { user } = (await ada.me()).is(200);
      expect([null, bio]).toContain(user.bio);
      expect((await conduit.anonymous().profile(ada.name)).is(200).profile.username).toBe(ada.name);
    });
  });

  describe('a path or method that is not there', () => {
    it.each([
      ['GET', '/nothing'],
      ['GET', '/articles/a/b/c'],
      ['GET', '/__proto__'],
      ['PATCH', '/user'],
      ['DELETE', '/tags'],
      ['PUT', '/articles'],
      ['POST', '/user'],
      ['GET', '//tags'],
      ['GET', '/profiles/'],
      ['GET', '/../../etc/passwd'],
    ])('%s %s is refused in Conduit’s form', async (method, path) => {
      const incoming = await conduit.wire().send({ method, path: `${conduit.prefix}${path}` });
      expectRefusal({
        status: incoming.status,
        headers: incoming.headers as Record<string, string>,
        text: incoming.text,
      });
    });
  });
}
