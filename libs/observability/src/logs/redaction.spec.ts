import fc from 'fast-check';
import type { LogDestination } from '../observability.options.js';
import { createLogger } from './create-logger.js';
import { Redaction, SENSITIVE_WORDS } from './redaction.js';

const SECRET = 'hunter2hunter2';

function capture(): { lines: string[]; destination: LogDestination } {
  const lines: string[] = [];
  return { lines, destination: { write: (line) => lines.push(line) } };
}

describe('Redaction', () => {
  const redaction = new Redaction(['iban']);

  it.each([
    `postgres://conduit:${SECRET}@db:5432/app`,
    `postgres://conduit:${SECRET}@@db/app and redis://:${SECRET}@cache`,
    `host=db password=${SECRET} user=x`,
    `host=db password='${SECRET} with space' user=x`,
    `GET /login?token=${SECRET}&x=1`,
    `GET /login?access_token=${SECRET}`,
    `Authorization: Token ${SECRET}`,
    `cookie: session=${SECRET}; other=${SECRET}`,
    `sent Bearer ${SECRET}${SECRET}`,
    `got eyJhbGciOiJIUzI1NiJ9.${SECRET}.${SECRET} from the client`,
    `{"user":{"email":"a@b","password":"${SECRET}"}}`,
    `{\\"password\\":\\"${SECRET}\\"}`,
    `{ email: 'a@b', dbPassword: '${SECRET}' }`,
    `api_key=${SECRET}`,
    `API-KEY: "${SECRET}"`,
    `my-iban=${SECRET}`,
  ])('takes the secret out of %s', (text) => {
    expect(redaction.text(text, 1_000)).not.toContain('hunter2');
  });

  it.each([
    'GET /api/articles/how-to-choose-a-password 200',
    'Invalid password: it must have 8 characters',
    'basic authentication failed',
    'token verification failed',
    'http://127.0.0.1:3000/api/profiles/a@b.example',
    'Conduit is ready on http://127.0.0.1:3000/api · docs /docs · operations http://127.0.0.1:3001',
  ])('leaves %s as it is', (text) => {
    expect(redaction.text(text, 1_000)).toBe(text);
  });

  it('finds a secret that the cut of a long text went through', () => {
    const uncut = [
      `x postgres://conduit:${SECRET}@db/app`,
      `x password='${SECRET}'`,
      `x "token":"${SECRET}"`,
    ];
    for (const text of [...uncut, `x Bearer ${SECRET}`, `x eyJhbG.${SECRET}.${SECRET}`]) {
      for (let limit = 1; limit < text.length; limit += 1) {
        expect(redaction.text(text, limit)).not.toContain('hunter2');
      }
    }
  });

  it('searches a hostile text in linear time', () => {
    const hostile = [
      'a',
      '://',
      '://a:',
      'token',
      'token=',
      '"token":"',
      "password:'",
      'bearer ',
      'eyJ',
      '\\"',
    ];
    for (const piece of hostile) {
      const text = `token ${piece.repeat(8_192 / piece.length)}`;
      // CPU time, so that a busy machine does not fail it, and the best of a few, since a collection of garbage counts.
      let least = Infinity;
      for (let turn = 0; turn < 5 && least >= 100_000; turn += 1) {
        const before = process.cpuUsage();
        redaction.text(text, 8_192);
        least = Math.min(least, process.cpuUsage(before).user);
      }
      expect(least).toBeLessThan(100_000);
    }
  });
});

describe('a log line', () => {
  const word = fc.constantFrom(...SENSITIVE_WORDS);
  const sensitiveKey = fc
    .tuple(fc.constantFrom('', 'db', 'x-', 'my_', 'Set-'), word, fc.constantFrom('', 'Hash', '_1', '-value'))
    .chain(([before, name, after]) =>
      fc.constantFrom(
        `${before}${name}${after}`,
        `${before}${name}${after}`.toUpperCase(),
        `${before}${name[0]!.toUpperCase()}${name.slice(1)}${after}`,
      ),
    );
  const secretText = fc.constantFrom(
    `postgres://u:${SECRET}@h/d`,
    `?token=${SECRET}`,
    `{"password":"${SECRET}"}`,
    `Bearer ${SECRET}xyz`,
    `eyJx.${SECRET}.y`,
  );
  const leaf = fc.oneof(
    sensitiveKey.chain((key) =>
      fc.constantFrom({ [key]: SECRET }, { [key]: [SECRET] }, { [key]: { a: SECRET } }),
    ),
    sensitiveKey.map((key) => new Map([[key, SECRET]])),
    sensitiveKey.map((key) => [key, SECRET]),
    sensitiveKey.map((key) => Object.entries({ [key]: SECRET })),
    secretText,
    secretText.map((text) => new Error(text)),
    secretText.map((text) => new Error('outer', { cause: new Error(text) })),
    secretText.map((text) => new AggregateError([new Error(text)], 'all failed')),
    secretText.map((text) => new Set([text])),
    secretText.map((text) => ({ toJSON: () => ({ text }) })),
    sensitiveKey.map((key) => Object.assign(new Error('x'), { data: { [key]: SECRET }, [key]: SECRET })),
    fc.constant(Buffer.from(SECRET)),
    fc.constant(new URL(`https://u:${SECRET}@host/path`)),
  );
  const wrap = (inner: fc.Arbitrary<unknown>) =>
    fc.oneof(
      inner.map((value) => ({ inner: value, n: 1 })),
      inner.map((value) => [0, value]),
      inner.map((value) => new Map<unknown, unknown>([['k', value]])),
      inner.map((value) => new Error('wrapped', { cause: value })),
    );
  const nested = fc.integer({ min: 0, max: 9 }).chain((depth) => {
    let value: fc.Arbitrary<unknown> = leaf;
    for (let level = 0; level < depth; level += 1) value = wrap(value);
    return value;
  });

  it.each(['ecs', 'pretty'] as const)('never shows a secret, wherever it stands (%s)', (format) => {
    fc.assert(
      fc.property(
        nested,
        fc.constantFrom('log', 'error', 'fatal'),
        fc.integer({ min: 0, max: 2 }),
        (value, method, at) => {
          const { lines, destination } = capture();
          const logger = createLogger({ format, service: 's', replicaId: 'r', colors: false, destination });
          if (at === 0) logger[method](value, 'Context');
          if (at === 1) logger[method]('something', value, 'Context');
          if (at === 2) logger[method]({ message: 'm', error: value, more: value }, 'Context');
          expect(lines).toHaveLength(1);
          expect(lines[0]).not.toContain('hunter2');
        },
      ),
      { numRuns: 500 },
    );
  });
});
