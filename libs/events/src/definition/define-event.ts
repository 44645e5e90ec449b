import type { z } from 'zod';
import type { OutgoingEvent } from '@rookery/sharding';
import { eventsErrors } from '../events.errors.js';

/** Where a topic lies in Kafka; the log needs none of it. */
export interface TopicOptions {
  /** @default the type up to its last dot: `conduit.article` for `conduit.article.published` */
  readonly name?: string;
  /** @default 16 */
  readonly partitions?: number;
  /** @default 7 days */
  readonly retentionMs?: number;
}

export interface EventOptions<S extends z.ZodType> {
  /** Reverse-dotted and never reused: `conduit.article.published`. Lower case, digits, dots and dashes. */
  readonly type: string;
  /** Grows with each change that an older handler would not understand. @default 1 */
  readonly version?: number;
  /** Events of one key are handled one after the other, in the order of their commits. */
  readonly key: (data: z.output<S>) => string;
  readonly schema: S;
  /** What brings the data of a version to the next: `{ 1: (v1) => v2 }`. One for each version before this one. */
  readonly upcasters?: Readonly<Record<number, (data: unknown) => unknown>>;
  readonly topic?: TopicOptions;
}

/** An event as it is published: checked, and nothing but data. */
export interface DomainEvent<D = unknown> extends OutgoingEvent {
  readonly data: D;
  readonly definition: AnyEventDefinition;
  /** When it is to be delivered at the earliest; at once where absent. */
  readonly availableAt: Date | undefined;
}

export interface PublishOptions {
  /** The event is delivered at this time, or soon after; it takes its place in the order of its key then. */
  readonly availableAt?: Date;
}

/** A kind of event, whatever its data. */
export interface AnyEventDefinition {
  readonly type: string;
  readonly version: number;
  readonly topic: Required<TopicOptions>;
  /** Brings stored data of any known version to this one, and checks it. @throws RK_EVENTS_UNKNOWN_VERSION, _UNDECODABLE */
  read(data: unknown, version: number): unknown;
}

/** A kind of event: called with data, it makes one. */
export interface EventDefinition<D> extends AnyEventDefinition {
  /** @throws RK_EVENTS_BAD_PAYLOAD, _BAD_KEY */
  (data: D, options?: PublishOptions): DomainEvent<D>;
  read(data: unknown, version: number): D;
}

/** The data of a definition's events. */
export type DataOf<E> = E extends EventDefinition<infer D> ? D : never;

const TYPE = /^[a-z0-9]+([.-][a-z0-9]+)+$/;
const MAX_KEY_BYTES = 512;
const WEEK_MS = 7 * 24 * 3_600_000;

/** Declares a kind of event. @throws RK_EVENTS_BAD_DEFINITION */
export function defineEvent<S extends z.ZodType>(options: EventOptions<S>): EventDefinition<z.output<S>> {
  const { type, version = 1, key, schema, upcasters = {}, topic = {} } = options;
  const refuse = (reason: string): never => {
    throw eventsErrors.create('BAD_DEFINITION', { data: { type, reason } });
  };
  if (!TYPE.test(type)) refuse('a type is lower-case words with dots or dashes between');
  if (!Number.isInteger(version) || version < 1 || version > 32_767) refuse('a version is an integer from 1');
  for (let old = 1; old < version; old++) {
    if (!upcasters[old]) refuse(`version ${old} has no upcaster to ${old + 1}`);
  }
  if (Object.keys(upcasters).some((old) => !(Number(old) >= 1 && Number(old) < version))) {
    refuse('an upcaster starts from a version before this one');
  }

  type D = z.output<S>;
  const check = (data: unknown): D => {
    const parsed = schema.safeParse(data);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw eventsErrors.create('BAD_PAYLOAD', {
      data: { type, reason: `${issue!.path.join('.') || 'it'}: ${issue!.message}` },
      cause: parsed.error,
    });
  };
  const make = (given: D, { availableAt }: PublishOptions = {}): DomainEvent<D> => {
    const data = check(given);
    const of = key(data);
    const problem = faultOfKey(of);
    if (problem) throw eventsErrors.create('BAD_KEY', { data: { type, reason: problem } });
    return { type, key: of, data, definition, availableAt };
  };
  const definition: EventDefinition<D> = Object.assign(make, {
    type,
    version,
    topic: {
      name: topic.name ?? type.slice(0, type.lastIndexOf('.')),
      partitions: topic.partitions ?? 16,
      retentionMs: topic.retentionMs ?? WEEK_MS,
    },
    read: (stored: unknown, from: number): D => {
      if (!(from >= 1 && from <= version)) {
        throw eventsErrors.create('UNKNOWN_VERSION', { data: { type, version: from, known: version } });
      }
      try {
        let data = stored;
        for (let step = from; step < version; step++) data = upcasters[step]!(data);
        return check(data);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw eventsErrors.create('UNDECODABLE', { data: { type, reason }, cause });
      }
    },
  });
  return definition;
}

function faultOfKey(key: unknown): string | undefined {
  if (typeof key !== 'string' || key === '') return 'empty';
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `over ${MAX_KEY_BYTES} bytes`;
  return key.includes('\0') ? 'no text that PostgreSQL can keep' : undefined;
}
