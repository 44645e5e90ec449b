import { LATE_HEADER } from '@rookery/events';
import fc from 'fast-check';
import { fill, type Member } from '../support/actor.js';
import { draft, useConduit } from '../support/conduit.js';
import { footprintsOf, type Footprint, type Footprints } from '../support/footprint.js';
import { shorten, type Incoming, type Wire } from '../support/wire.js';
import { errorFaultsOf, faultsOf } from './conformance.js';
import { edgeFaultsOf, isOfEdge, type Edge } from './edge.js';
import { contract, operation, type Operation, type Parameter, type Schema } from './document.js';
import * as hostile from './hostile-values.js';
import type { Hostile } from './hostile-values.js';
import { isPatient, type SiteOptions } from '../support/site.js';

const SEED = Number(process.env['CONDUIT_FUZZ_SEED'] ?? 20_261_122);
const RUNS = Number(process.env['CONDUIT_FUZZ_RUNS'] ?? 25);
/** Nothing here needs long; what takes longer than this, each time, is a way to wear the site out. */
const LIMIT_MS = 2_000;
/** Machines that run tests do other things as well: what took too long is sent so many times in all. */
const TRIES = 3;

/**
 * Input that no client should send, derived from the contract: every field and every parameter of every operation, in turn,
 * is replaced by each hostile value. Whatever comes, the site answers in Conduit's form with a status the contract
 * declares, on a connection that goes on working, in bounded time, and what it refuses leaves no trace.
 *
 * The random part is repeated by its seed, which a failure prints: `CONDUIT_FUZZ_SEED=… npm run test:jest -- malformed`.
 * `CONDUIT_FUZZ_RUNS` makes it longer than a test run has time for.
 *
 * @param edge refuses some of it before the site gets to see it, by a problem document
 */
export function malformedSuite(options: SiteOptions = {}, edge: Edge = 'none'): void {
  const conduit = useConduit(options);
  /** Sends what is hostile, so what is taken changes nobody else. */
  let mallory: Member;
  let bob: Member;
  /** One connection: what breaks it breaks the next request. */
  let wire: Wire;
  let footprints: Footprints;
  let before: Footprint;
  /** Valid values of the path's parameters: of Mallory's article, Bob's name, Mallory's comment. */
  let place: Record<string, string | number>;

  beforeAll(async () => {
    [mallory, bob] = (await conduit.cast('mallory', 'bob')) as [Member, Member];
    const { slug } = (await mallory.publish(draft({ tagList: ['kept'] }))).is(201).article;
    const { id } = (await mallory.comment(slug, 'Kept.')).is(201).comment;
    place = { slug, username: bob.name, id };
    wire = conduit.wire(1);
    footprints = await footprintsOf(conduit.site, bob);
    conduit.beforeClose(() => footprints.close());
    before = await footprints.take();
  });

  interface Trial {
    readonly operation: Operation;
    readonly name: string;
    /** The path of the operation as it is sent, its parameters filled. */
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Buffer | undefined;
    /** Whether it must not succeed. */
    readonly refused: boolean;
    /** Keys of which a 422 must name one; undefined where no field is at fault. */
    readonly fields?: readonly string[] | undefined;
    readonly limitMs?: number;
  }

  /** What is wrong with how the site takes it; empty if nothing is. */
  async function faultsOfTrial(trial: Trial): Promise<string[]> {
    const { operation: asked, fields, limitMs = LIMIT_MS } = trial;
    let incoming: Incoming;
    let tookMs: number;
    try {
      incoming = await send(trial);
      tookMs = incoming.elapsedMs;
      for (let tries = 1; tookMs > limitMs && tries < TRIES; tries += 1) {
        tookMs = Math.min(tookMs, (await send(trial)).elapsedMs);
      }
    } catch (error) {
      return [`${trial.name}: the connection broke: ${String(error)}\n  ${shown(trial)}`];
    }
    const { status } = incoming;
    const faults: string[] = [];
    const ofEdge = isOfEdge(edge, incoming);
    if (status >= 500) faults.push(`answered ${status}`);
    else if (ofEdge) faults.push(...edgeFaultsOf(incoming));
    else if (status >= 400) faults.push(...errorFaultsOf(incoming));
    else faults.push(...faultsOf(asked, incoming));
    if (!ofEdge && !allowed(asked, status)) faults.push(`${status} is not a status of ${asked.id}`);
    if (trial.refused && status < 400) faults.push(`was taken with ${status}`);
    if (status === 422 && fields !== undefined && !keysOf(incoming).some((key) => fields.includes(key))) {
      faults.push(`none of ${fields.join(', ')} is named`);
    }
    const late = incoming.headers[LATE_HEADER];
    // The trace of it would be taken for one of what comes next.
    if (late !== undefined && isPatient(options))
      faults.push(`answered before ${String(late)} had applied it`);
    if (tookMs > limitMs) faults.push(`took ${Math.round(tookMs)} ms`);
    if (status < 400) await settle(asked, incoming);
    else if (asked.method !== 'GET') faults.push(...(await traces(incoming)));
    return faults.map(
      (fault) => `${trial.name}: ${fault}\n  ${shown(trial)}\n  → ${status} ${shorten(incoming.text)}`,
    );
  }

  function send({ operation: asked, path, headers, body }: Trial): Promise<Incoming> {
    return wire.send({
      method: asked.method,
      path: `${conduit.prefix}${path}`,
      headers: {
        authorization: `Token ${mallory.user.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body,
    });
  }

  function allowed(asked: Operation, status: number): boolean {
    // A path that the router does not take for this operation is not found.
    return status === 404 || asked.responses.has(status);
  }

  /** What was taken is the new state; and a new title has moved the article. */
  async function settle(asked: Operation, incoming: Incoming): Promise<void> {
    if (asked.id === 'UpdateArticle') {
      place['slug'] = (JSON.parse(incoming.text) as { article: { slug: string } }).article.slug;
    }
    if (asked.method !== 'GET') before = await footprints.take();
  }

  /** Names may be held for a moment by a registration that found the other one taken, so they count for a 422 only. */
  async function traces({ status, text }: Incoming): Promise<string[]> {
    const after = await footprints.take();
    const faults = [];
    if (after.rows !== before.rows) faults.push('was refused, and has written');
    // A name that is taken is found out by trying to reserve it, and the outcome of the attempt is kept for a while.
    const tried = text.includes('has already been taken');
    if (status === 422 && !tried && after.names !== before.names)
      faults.push('was refused, and holds a name');
    before = after;
    return faults;
  }

  function keysOf(incoming: Incoming): string[] {
    try {
      return Object.keys((JSON.parse(incoming.text) as { errors: object }).errors);
    } catch {
      return [];
    }
  }

  function shown({ operation: { method }, path, body, headers }: Trial): string {
    return `${method} ${shorten(path)} ${JSON.stringify(headers ?? {})} ${shorten(String(body ?? ''))}`;
  }

  async function faultsOfAll(trials: readonly Trial[]): Promise<string[]> {
    const faults: string[] = [];
    for (const trial of trials) faults.push(...(await faultsOfTrial(trial)));
    return faults;
  }

  // --- what each operation takes, made hostile one part at a time

  const withBody = contract.filter(({ body }) => body !== undefined);
  const named = (operations: readonly Operation[]) => operations.map(({ id }) => id);

  /** A body the operation would take, as JSON text per field. Names are new each time. */
  function validFields(asked: Operation): Record<string, string> {
    const name = conduit.unique('m');
    const values: Readonly<Record<string, unknown>> = {
      username: name,
      email: `${name}@example.com`,
      password: 'good enough',
      bio: 'x',
      image: 'x',
      title: 'Valid',
      description: 'Valid',
      body: 'Valid',
      tagList: ['valid'],
    };
    const fields = Object.keys(asked.body?.fields ?? {});
    const login = asked.id === 'Login' ? { email: bob.user.email, password: bob.password } : {};
    const valid = { ...values, ...login } as Readonly<Record<string, unknown>>;
    return Object.fromEntries(fields.map((field) => [field, JSON.stringify(valid[field])]));
  }

  function bodyWith(asked: Operation, over: Readonly<Record<string, string>>): string {
    const fields = Object.entries({ ...validFields(asked), ...over });
    return `{"${asked.body!.key}":{${fields.map(([name, text]) => `"${name}":${text}`).join()}}}`;
  }

  function hostileFor(asked: Operation, schema: Schema): readonly Hostile[] {
    const { type } = schema;
    if (type === 'array') {
      // Absent keeps the tags and [] clears them; what null would mean on an edit is decided: nothing.
      const edit = asked.id === 'UpdateArticle';
      return hostile.forTextList.map((one) =>
        one.name === 'null' && edit ? { ...one, refused: true } : one,
      );
    }
    const nullable = Array.isArray(type) && type.includes('null');
    return [...hostile.forText, ...(nullable ? hostile.forNullableText : hostile.forFilledText)];
  }

  const pathOf = (asked: Operation): string => fill(asked.path, place);

  describe('a field of a body', () => {
    const fields = withBody.flatMap(({ id, body }) =>
      Object.keys(body!.fields).map((field) => [id, field] as const),
    );

    it.each(fields)('%s %s', async (id, field) => {
      const asked = operation(id);
      const values = hostileFor(asked, asked.body!.fields[field]!);
      const faults = [];
      for (const { name, text, refused } of values) {
        const trial = { operation: asked, name, path: pathOf(asked), refused, fields: [field] };
        faults.push(...(await faultsOfTrial({ ...trial, body: bodyWith(asked, { [field]: text }) })));
      }
      expect(faults).toEqual([]);
    });
  });

  describe('the object of a body', () => {
    it.each(named(withBody))('%s', async (id) => {
      const asked = operation(id);
      const { key, fields } = asked.body!;
      const faults = await faultsOfAll(
        hostile.forObject.map(({ name, text, refused }) => ({
          operation: asked,
          name,
          path: pathOf(asked),
          refused,
          body: `{"${key}":${text}}`,
          fields: [key, ...Object.keys(fields)],
        })),
      );
      expect(faults).toEqual([]);
    });
  });

  describe('a whole body', () => {
    it.each(named(withBody))('%s', async (id) => {
      const asked = operation(id);
      const faults = await faultsOfAll(
        hostile.forBody.map(({ name, text, refused }) => ({
          operation: asked,
          name,
          path: pathOf(asked),
          refused,
          body: text,
        })),
      );
      expect(faults).toEqual([]);
    });

    it.each(named(withBody))('%s with bytes that are not UTF-8', async (id) => {
      const asked = operation(id);
      const [head, tail] = bodyWith(asked, {}).split('"Valid"');
      const body = Buffer.concat([
        Buffer.from(`${head}"`),
        Buffer.from([0xc3, 0x28, 0xff]),
        Buffer.from(`"${tail ?? '}}'}`),
      ]);
      const faults = await faultsOfAll([
        { operation: asked, name: 'latin', path: pathOf(asked), refused: true, body },
      ]);
      expect(faults).toEqual([]);
    });

    it.each(named(withBody))('%s in another content type', async (id) => {
      const asked = operation(id);
      const faults = [];
      for (const { name, text, refused } of hostile.forContentType) {
        const headers = { 'content-type': text };
        const body = bodyWith(asked, {});
        faults.push(
          ...(await faultsOfTrial({ operation: asked, name, path: pathOf(asked), refused, headers, body })),
        );
      }
      expect(faults).toEqual([]);
    });

    it.each(named(withBody))('%s of 10 MB, whole and in chunks', async (id) => {
      const asked = operation(id);
      const field = asked.body!.required[0] ?? 'title';
      const body = bodyWith(asked, { [field]: `"${'x'.repeat(10 * 1024 * 1024)}"` });
      const trial = {
        operation: asked,
        name: '10 MB',
        path: pathOf(asked),
        refused: true,
        body,
        limitMs: 5_000,
      };
      const faults = await faultsOfAll([trial, { ...trial, headers: { 'transfer-encoding': 'chunked' } }]);
      expect(faults).toEqual([]);
    });

    it.each(named(contract.filter(({ body, method }) => body === undefined && method !== 'GET')))(
      '%s, which takes none',
      async (id) => {
        const asked = operation(id);
        const nowhere = fill(asked.path, { slug: 'nowhere', username: 'nobody', id: 999_999 });
        const faults = await faultsOfAll(
          hostile.forBody.map(({ name, text }) => ({
            operation: asked,
            name,
            path: nowhere,
            refused: true,
            body: text,
          })),
        );
        expect(faults).toEqual([]);
      },
    );
  });

  describe('a parameter of the path', () => {
    const parameters = contract.flatMap(({ id, parameters: all }) =>
      all.filter((one) => one.in === 'path').map((one) => [id, one.name] as const),
    );

    it.each(parameters)('%s %s', async (id, parameter) => {
      const asked = operation(id);
      const integer = asked.parameters.find(({ name }) => name === parameter)!.schema['type'] === 'integer';
      const values = integer ? hostile.forPathInteger : hostile.forPathText;
      const faults = await faultsOfAll(
        values.map(({ name, text, refused }) => ({
          operation: asked,
          name,
          refused,
          path: fill(asked.path.replace(`{${parameter}}`, '\0'), place).replace('\0', () => text),
          fields: decodable(text) ? [parameter] : undefined,
          body: asked.body && bodyWith(asked, {}),
        })),
      );
      expect(faults).toEqual([]);
    });
  });

  function decodable(text: string): boolean {
    try {
      // Long ones are refused by their length, before anything looks at them.
      return decodeURIComponent(text).length < 1_000;
    } catch {
      return false;
    }
  }

  describe('a parameter of the query', () => {
    const parameters = contract.flatMap(({ id, parameters: all }) =>
      all.filter((one) => one.in === 'query').map((one) => [id, one.name, one] as const),
    );

    it.each(parameters)('%s %s', async (id, name, parameter) => {
      const asked = operation(id);
      const faults = await faultsOfAll(
        queriesFor(parameter).map(({ name: what, text, refused }) => ({
          operation: asked,
          name: what,
          refused,
          path: `${pathOf(asked)}?${text}`,
          fields: refused ? [name] : undefined,
        })),
      );
      expect(faults).toEqual([]);
    });

    it.each(named(contract.filter(({ method }) => method === 'GET')))('%s does not know', async (id) => {
      const asked = operation(id);
      const faults = await faultsOfAll(
        hostile.forQueryString.map(({ name, text, refused }) => ({
          operation: asked,
          name,
          refused,
          path: `${pathOf(asked)}?${text}`,
        })),
      );
      expect(faults).toEqual([]);
    });
  });

  function queriesFor({ name, schema }: Parameter): Hostile[] {
    const integer = schema['type'] === 'integer';
    const [first, second] = integer ? ['1', '2'] : ['a', 'b'];
    return [
      ...(integer ? hostile.forQueryInteger : hostile.forQueryText).map((one) => ({
        ...one,
        text: `${name}=${one.text}`,
      })),
      { name: 'twice', text: `${name}=${first}&${name}=${second}`, refused: true },
      { name: 'twice the same', text: `${name}=${first}&${name}=${first}`, refused: true },
      { name: 'as a list', text: `${name}[]=${first}`, refused: false },
      { name: 'as an object', text: `${name}[a]=${first}`, refused: false },
    ];
  }

  describe('random input', () => {
    const limitMs = 60_000 + RUNS * 400;
    const options = { seed: SEED, numRuns: RUNS };
    const half = fc.integer({ min: 0xd800, max: 0xdfff }).map((unit) => String.fromCharCode(unit));
    const anyText = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.oneof(half, fc.constantFrom('\u0000', 'a', '\\', '"')) }),
    );
    const anyJson = fc.oneof(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), anyText);

    it.each(named(withBody))(
      'as fields of %s',
      async (id) => {
        const asked = operation(id);
        const { key, fields } = asked.body!;
        const anyField = fc.option(
          fc.oneof(
            fc.constant('valid'),
            anyJson.map((value) => JSON.stringify(value)),
          ),
          {
            nil: undefined,
          },
        );
        const anyFields = fc.record(
          Object.fromEntries(Object.keys(fields).map((field) => [field, anyField])),
        );
        const others = fc.dictionary(
          fc.oneof(anyText, fc.constantFrom('__proto__', 'constructor', 'id')),
          anyJson,
          {
            maxKeys: 3,
          },
        );
        await fc.assert(
          fc.asyncProperty(anyFields, others, async (chosen, more) => {
            const valid = validFields(asked);
            const sent = Object.entries(chosen)
              .filter((entry): entry is [string, string] => entry[1] !== undefined)
              .map(([name, text]) => `"${name}":${text === 'valid' ? valid[name]! : text}`);
            const extra = Object.entries(more).map(
              ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
            );
            const body = `{"${key}":{${[...sent, ...extra].join()}}}`;
            const trial = {
              operation: asked,
              name: 'random fields',
              path: pathOf(asked),
              refused: false,
              body,
            };
            expect(await faultsOfTrial(trial)).toEqual([]);
          }),
          options,
        );
      },
      limitMs,
    );

    it.each(named(withBody))(
      'as the body of %s',
      async (id) => {
        const asked = operation(id);
        await fc.assert(
          fc.asyncProperty(anyJson, async (value) => {
            const body = JSON.stringify(value);
            const trial = { operation: asked, name: 'random body', path: pathOf(asked), refused: true, body };
            expect(await faultsOfTrial(trial)).toEqual([]);
          }),
          options,
        );
      },
      limitMs,
    );

    it.each(named(contract))(
      'as path and query of %s',
      async (id) => {
        const asked = operation(id);
        const escaped = fc
          .uint8Array({ minLength: 1, maxLength: 12 })
          .map((bytes) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''));
        const anyPart = fc.oneof(
          escaped,
          fc.string({ unit: fc.constantFrom(...'%0aF-_.~!$&()*+,;=:@'), minLength: 1 }),
        );
        const anyQuery = fc.array(
          fc.tuple(fc.oneof(anyPart, fc.constantFrom('limit', 'tag', 'offset')), anyPart),
        );
        await fc.assert(
          fc.asyncProperty(
            fc.array(anyPart, { minLength: 3, maxLength: 3 }),
            anyQuery,
            async (parts, query) => {
              let used = 0;
              const path = asked.path.replace(/\{\w+\}/g, () => parts[used++]!);
              const search = query.map(([name, value]) => `${name}=${value}`).join('&');
              const body = asked.body && bodyWith(asked, {});
              const trial = {
                operation: asked,
                name: 'random URL',
                path: `${path}?${search}`,
                refused: false,
                body,
              };
              expect(await faultsOfTrial(trial)).toEqual([]);
            },
          ),
          options,
        );
      },
      limitMs,
    );
  });

  describe('after all of it', () => {
    it('the site serves as before', async () => {
      expect((await bob.me()).is(200).user).toEqual({ ...bob.user, token: expect.any(String) });
      const { slug } = (await bob.publish(draft({ title: 'Still here' }))).is(201).article;
      expect((await conduit.anonymous().article(slug)).is(200).article.title).toBe('Still here');
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    });
  });
}
