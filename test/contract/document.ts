import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';

export type Schema = Readonly<Record<string, unknown>>;

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
}

/** An operation's body: one object under one key, `{"article": {"title": …}}`. */
export interface BodyShape {
  readonly key: string;
  readonly fields: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
}

export interface Operation {
  readonly id: string;
  /** In capitals. */
  readonly method: string;
  /** Under the server's path, with `{name}` for parameters. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: BodyShape | undefined;
  /** Declared statuses, and the schema of each one's JSON; undefined where the answer has no body. */
  readonly responses: ReadonlyMap<number, Schema | undefined>;
  /** Whether it declares that a token is needed. */
  readonly needsToken: boolean;
}

interface RawOperation {
  readonly operationId?: string;
  readonly parameters?: readonly RawParameter[];
  readonly requestBody?: RawContent;
  readonly responses: Readonly<Record<string, RawContent>>;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
}

interface RawParameter {
  readonly name: string;
  readonly in: Parameter['in'];
  readonly required?: boolean;
  readonly schema?: Schema;
}

interface RawContent {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

export interface RawDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly servers?: readonly { readonly url: string }[];
  readonly security?: readonly Readonly<Record<string, unknown>>[];
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'];

/** The operations of an OpenAPI document, references resolved. Takes 3.0 and 3.1 alike. */
export function operationsOf(document: RawDocument): Operation[] {
  const operations: Operation[] = [];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      if (item[method] === undefined) continue;
      const raw = resolved(item[method], document) as RawOperation;
      operations.push({
        id: raw.operationId ?? `${method} ${path}`,
        method: method.toUpperCase(),
        path,
        parameters: (raw.parameters ?? []).map((parameter) => ({
          name: parameter.name,
          in: parameter.in,
          required: parameter.required ?? false,
          schema: parameter.schema ?? {},
        })),
        body: bodyOf(schemaOf(raw.requestBody)),
        responses: new Map(
          Object.entries(raw.responses).map(([status, content]) => [Number(status), schemaOf(content)]),
        ),
        // An empty requirement among others says that no token is fine too.
        needsToken: needsToken(raw.security ?? document.security ?? []),
      });
    }
  }
  return operations;
}

function needsToken(security: readonly Readonly<Record<string, unknown>>[]): boolean {
  return security.length > 0 && security.every((scheme) => Object.keys(scheme).length > 0);
}

function schemaOf(content: RawContent | undefined): Schema | undefined {
  return Object.values(content?.content ?? {})[0]?.schema;
}

function bodyOf(schema: Schema | undefined): BodyShape | undefined {
  const [key, inner] = Object.entries((schema?.['properties'] ?? {}) as Record<string, Schema>)[0] ?? [];
  if (key === undefined || inner === undefined) return undefined;
  return {
    key,
    fields: (inner['properties'] ?? {}) as Record<string, Schema>,
    required: (inner['required'] ?? []) as string[],
  };
}

function resolved(value: unknown, document: RawDocument): unknown {
  if (Array.isArray(value)) return value.map((one) => resolved(one, document));
  if (typeof value !== 'object' || value === null) return value;
  const reference = (value as { $ref?: unknown }).$ref;
  if (typeof reference === 'string') return resolved(at(document, reference), document);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, resolved(part, document)]));
}

function at(document: RawDocument, reference: string): unknown {
  const path = reference.replace(/^#\//, '').split('/');
  return path.reduce<unknown>((value, key) => {
    const part = (value as Readonly<Record<string, unknown>> | undefined)?.[key];
    if (part === undefined) throw new Error(`${reference} leads nowhere`);
    return part;
  }, document);
}

const here = dirname(fileURLToPath(import.meta.url));

/** The contract's operations, in its order. */
export const contract: readonly Operation[] = operationsOf(
  load(readFileSync(join(here, 'openapi.yml'), 'utf8')) as RawDocument,
);

const byId = new Map(contract.map((operation) => [operation.id, operation]));

/** @throws if the contract has no such operation */
export function operation(id: string): Operation {
  const found = byId.get(id);
  if (found === undefined) throw new Error(`the contract has no operation ${id}`);
  return found;
}
