import type { LoggerService } from '@nestjs/common';
import { currentContext } from '@rookery/kernel';
import type { Logger as Pino } from 'pino';
import type { LogDestination } from '../observability.options.js';
import { describeError, isError, member, type ErrorFields } from './error-fields.js';
import { toPlain } from './plain.js';
import type { Redaction } from './redaction.js';

/** One served request; what `onRequestDone` of @rookery/http tells fits. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  /** The route template, or `unmatched`; never the path a client chose. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  /** Bytes of the response body. */
  readonly bytes?: number | undefined;
  readonly traceId?: string | undefined;
  readonly viewerId?: string | undefined;
  /** The client's address. */
  readonly address?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The path as asked for, without its query. */
  readonly path?: string | undefined;
  /** Code of the error that was answered. */
  readonly code?: string | undefined;
}

/** Fields first, then the message, as pino's loggers take them. */
export interface FieldLogger {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What a line says, before a format gives it names. */
export interface LogRecord {
  readonly context?: string;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly viewerId?: string;
  readonly error?: ErrorFields;
  /** Bounded and redacted. */
  readonly fields?: unknown;
  readonly access?: AccessEntry;
}

/** Gives a record the field names of one format. */
export type LogShape = (record: LogRecord) => Record<string, unknown>;

type Method = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Nest says at boot what it wires: for whoever debugs the wiring. */
const BOOT_CONTEXTS: ReadonlySet<string> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'NestMicroservice',
  'RouterExplorer',
  'RoutesResolver',
]);

const MESSAGE_LIMIT = 8_192;

/**
 * Nest's logger over pino. Promises: a call never throws and never waits; a line is bounded; it carries the request id,
 * the trace and the viewer of the request under way; and no secret that stands under a telling name or in a known form.
 *
 * Arguments are Nest's: a message (text, an Error, or an object with fields), then any of an Error, a stack, an object
 * with fields, and last the context.
 */
export class RookeryLogger implements LoggerService {
  private lostLines = 0;

  constructor(
    private readonly pino: Pino,
    private readonly always: Pino,
    private readonly destination: LogDestination,
    private readonly shape: LogShape,
    private readonly redaction: Redaction,
    private readonly quietRoutes: ReadonlySet<string>,
    private readonly plainReady: boolean,
  ) {}

  log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    const boot = typeof context === 'string' && BOOT_CONTEXTS.has(context);
    this.write(boot ? 'debug' : 'info', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** For libraries that log as pino does; `err` in the fields is the error of the line. */
  named(context: string): FieldLogger {
    const to = (method: Method) => (fields: Readonly<Record<string, unknown>>, message: string) =>
      this.write(method, message, [fields, context]);
    return { error: to('error'), warn: to('warn'), info: to('info'), debug: to('debug') };
  }

  /** One line per served request, at `info`; at `debug` for the quiet routes. */
  access(entry: AccessEntry): void {
    // Where `info` is not written, `debug` is not either, and the route does not matter.
    if (!this.pino.isLevelEnabled('info')) return;
    const method: Method = this.quietRoutes.has(withoutSlash(entry.route)) ? 'debug' : 'info';
    if (this.pino.isLevelEnabled(method)) this.guarded(() => this.writeAccess(method, entry));
  }

  /**
   * The line that says the replica takes traffic, whatever the level: as it is in the pretty format, as `message` of a
   * JSON line otherwise.
   */
  ready(message: string): void {
    const text = this.redaction.text(message, MESSAGE_LIMIT);
    this.guarded(() => {
      if (this.plainReady) this.destination.write(`${text}\n`);
      else this.always.info(this.shape({}), text);
    });
  }

  /** Lines that the destination failed to take. */
  get lost(): number {
    return this.lostLines;
  }

  /** Whether a line of this level would be written. */
  enabled(level: Method): boolean {
    return this.pino.isLevelEnabled(level);
  }

  /** Writes what is buffered before it returns. Called by itself when the process exits; a signal does not do that. */
  flushSync(): void {
    this.destination.flushSync?.();
  }

  private write(method: Method, message: unknown, rest: readonly unknown[]): void {
    if (this.pino.isLevelEnabled(method)) this.guarded(() => this.writeLine(method, message, rest));
  }

  /** A destination that fails must not fail the request that logs. There is nowhere to say so, hence the count. */
  private guarded(write: () => void): void {
    try {
      write();
    } catch {
      this.lostLines += 1;
    }
  }

  private writeAccess(method: Method, entry: AccessEntry): void {
    const { path, userAgent, route } = entry;
    const access: AccessEntry = {
      ...entry,
      method: entry.method.slice(0, 16),
      route: route.slice(0, 256),
      ...(path === undefined ? {} : { path: this.redaction.text(path, 512) }),
      ...(userAgent === undefined ? {} : { userAgent: this.redaction.text(userAgent, 256) }),
    };
    const message = `${access.method} ${access.route} ${access.status}`;
    this.pino[method](
      this.shape({
        requestId: entry.requestId.slice(0, 128),
        traceId: entry.traceId,
        viewerId: entry.viewerId,
        access,
      }),
      message,
    );
  }

  private writeLine(method: Method, message: unknown, rest: readonly unknown[]): void {
    const line = new Line(this.redaction);
    const last = rest.length - 1;
    const context = typeof rest[last] === 'string' && !isStack(rest[last]) ? rest[last] : undefined;
    line.take(message);
    rest.forEach((value, index) => {
      if (index !== last || context === undefined) line.take(value);
    });
    const request = currentContext();
    this.pino[method](
      this.shape({
        context: context?.slice(0, 128),
        requestId: request?.requestId.slice(0, 128),
        traceId: request?.traceId,
        viewerId: request?.viewerId,
        error: line.error,
        fields: line.fields,
      }),
      line.message,
    );
  }
}

/** Sorts the arguments of one call into message, error and fields. */
class Line {
  private readonly texts: string[] = [];
  error: ErrorFields | undefined;
  fields: unknown;

  constructor(private readonly redaction: Redaction) {}

  get message(): string {
    return this.texts.length === 0 ? (this.error?.message ?? '') : this.texts.join(' ');
  }

  take(value: unknown): void {
    if (value === undefined) return;
    if (typeof value === 'string') this.takeText(value);
    else if (isError(value)) this.takeError(value);
    else if (typeof value === 'object' && value !== null) this.takeObject(value);
    else this.texts.push(String(toPlain(value, this.redaction)));
  }

  private takeText(value: string): void {
    const text = this.redaction.text(value, MESSAGE_LIMIT);
    if (isStack(value) && this.error === undefined) {
      const [, type = 'Error', message = ''] = /^(?:Uncaught )?([\w$.]+)(?:: (.*))?/.exec(text) ?? [];
      this.error = { type, message, stack: text };
    } else {
      this.texts.push(text);
    }
  }

  private takeError(error: Error): void {
    if (this.error === undefined) this.error = describeError(error, this.redaction);
    else this.texts.push(describeError(error, this.redaction).message);
  }

  /** An object's own `message` and `err` or `error` take their places; the rest are fields. */
  private takeObject(object: object): void {
    const plain = toPlain(object, this.redaction);
    if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
      this.merge({ value: plain });
      return;
    }
    const { message, err, error, ...rest } = plain as Record<string, unknown>;
    if (typeof message === 'string') this.texts.push(message);
    for (const [name, copy] of [
      ['err', err],
      ['error', error],
    ] as const) {
      const original = copy === undefined ? undefined : member(object, name);
      if (isError(original)) this.takeError(original);
      else if (copy !== undefined) rest[name] = copy;
    }
    if (Object.keys(rest).length > 0) this.merge(rest);
  }

  private merge(more: Record<string, unknown>): void {
    this.fields = { ...(this.fields as Record<string, unknown> | undefined), ...more };
  }
}

function isStack(value: unknown): boolean {
  return typeof value === 'string' && /\n\s+at /.test(value.slice(0, 2_048));
}

function withoutSlash(route: string): string {
  return route.startsWith('/') ? route.slice(1) : route;
}
