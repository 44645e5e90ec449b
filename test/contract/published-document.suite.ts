import { useConduit } from '../support/conduit.js';
import { contract, operationsOf, type Operation, type RawDocument } from './document.js';
import type { SiteOptions } from '../support/site.js';

/** What `/openapi.json` tells clients, against the contract they were written for. */
export function publishedDocumentSuite(options: SiteOptions = {}): void {
  const conduit = useConduit(options);
  let published: Map<string, Operation>;

  beforeAll(async () => {
    const incoming = await conduit.wire().send({ method: 'GET', path: '/openapi.json' });
    expect(incoming.status).toBe(200);
    const document = JSON.parse(incoming.text) as RawDocument;
    published = new Map(
      operationsOf(document).map((operation) => [
        operation.id,
        { ...operation, path: under(operation.path) },
      ]),
    );
  });

  /** The server's path may stand in `servers` or in front of every path. */
  function under(path: string): string {
    return path.startsWith(`${conduit.prefix}/`) ? path.slice(conduit.prefix.length) : path;
  }

  describe('/openapi.json', () => {
    describe.each(contract.map((operation) => ({ id: operation.id, operation })))(
      '$id',
      ({ id, operation }) => {
        it('is there, by its method and path', () => {
          const { method, path } = published.get(id) ?? {};
          expect({ method, path }).toEqual({ method: operation.method, path: operation.path });
        });

        it('takes the same parameters', () => {
          expect(parametersOf(published.get(id))).toEqual(parametersOf(operation));
        });

        it('takes the same body, with the same fields required', () => {
          expect(bodyOf(published.get(id))).toEqual(bodyOf(operation));
        });

        it('answers the statuses of the contract', () => {
          const statuses = [...(published.get(id)?.responses.keys() ?? [])];
          expect(statuses).toEqual(expect.arrayContaining([...operation.responses.keys()]));
        });

        it('answers success with the same fields', () => {
          for (const [status, schema] of operation.responses) {
            if (status >= 300) continue;
            expect({ status, fields: fieldsOf(published.get(id)?.responses.get(status)) }).toEqual({
              status,
              fields: fieldsOf(schema),
            });
          }
        });

        it('says alike whether it needs a token', () => {
          expect(published.get(id)?.needsToken).toBe(operation.needsToken);
        });
      },
    );

    it('has no operation under that path which the contract does not know', () => {
      const known = new Set(contract.map(({ id }) => id));
      const others = [...published.values()].filter(
        ({ id, path }) => !known.has(id) && !path.startsWith('/health'),
      );
      expect(others.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    });
  });

  function parametersOf(operation: Operation | undefined): unknown {
    return (operation?.parameters ?? [])
      .filter((parameter) => parameter.in !== 'header')
      .map(({ name, in: where, required, schema }) => ({ name, where, required, type: schema['type'] }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  function bodyOf(operation: Operation | undefined): unknown {
    const body = operation?.body;
    if (body === undefined) return undefined;
    return {
      key: body.key,
      fields: Object.keys(body.fields).sort(),
      required: [...body.required].sort(),
    };
  }

  /** Names of all fields of a schema, with those of the objects and lists within: `article.author.bio`. */
  function fieldsOf(schema: unknown, path = ''): string[] {
    if (typeof schema !== 'object' || schema === null) return [];
    const { properties, items } = schema as { properties?: Record<string, unknown>; items?: unknown };
    if (items !== undefined) return fieldsOf(items, path);
    return Object.entries(properties ?? {})
      .flatMap(([name, part]) => [`${path}${name}`, ...fieldsOf(part, `${path}${name}.`)])
      .sort();
  }
}
