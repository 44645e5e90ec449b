import { setTimeout as pause } from 'node:timers/promises';

/** What the site answered, where something else was needed. One line, for a person. */
export class ApiFault extends Error {
  constructor(
    readonly method: string,
    readonly path: string,
    readonly status: number,
    readonly answer: string,
  ) {
    super(`${method} ${path} answered ${status}: ${answer.slice(0, 200)}`);
    this.name = 'ApiFault';
  }
}

/** The site cannot be reached, or went away. */
export class ApiUnreachable extends Error {
  constructor(
    readonly url: string,
    cause: unknown,
  ) {
    super(`${url} does not answer (${reasonOf(cause)})`, { cause });
    this.name = 'ApiUnreachable';
  }
}

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

const LIMIT_MS = 30_000;
/** How often a site that says "later" is asked again, and how long it may say. */
const MOST_TRIES = 8;
const MOST_WAIT_S = 10;

/** Conduit's API over HTTP. A site that is busy (429, 503) is asked again when it says; nothing else is tried twice. */
export class ApiClient {
  constructor(
    /** With its path, without a slash at the end: `http://127.0.0.1:3000/api`. */
    readonly url: string,
    private readonly signal?: AbortSignal,
  ) {}

  /**
   * @param accepted statuses beside 2xx that are answers and not faults
   * @throws ApiFault, ApiUnreachable
   */
  async ask<T>(
    method: string,
    path: string,
    { token, body, accepted = [] }: { token?: string; body?: unknown; accepted?: readonly number[] } = {},
  ): Promise<Answer<T>> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.send(method, path, token, body);
      const text = await response.text();
      if (response.ok || accepted.includes(response.status)) {
        return { status: response.status, body: this.parsed<T>(method, path, response.status, text) };
      }
      const later = response.status === 503 || response.status === 429;
      if (!later || attempt === MOST_TRIES) throw new ApiFault(method, path, response.status, text);
      const seconds = Number(response.headers.get('retry-after') ?? 1);
      await pause(1_000 * Math.min(MOST_WAIT_S, seconds > 0 ? seconds : 1), undefined, {
        signal: this.signal,
      });
    }
  }

  private async send(
    method: string,
    path: string,
    token: string | undefined,
    body: unknown,
  ): Promise<Response> {
    const limit = AbortSignal.timeout(LIMIT_MS);
    try {
      return await fetch(this.url + path, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Token ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: this.signal ? AbortSignal.any([limit, this.signal]) : limit,
      });
    } catch (error) {
      this.signal?.throwIfAborted();
      throw new ApiUnreachable(this.url, error);
    }
  }

  private parsed<T>(method: string, path: string, status: number, text: string): T {
    try {
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch {
      throw new ApiFault(method, path, status, `no JSON: ${text}`);
    }
  }
}

/** Undici puts the reason one level down. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause ? String(cause.code) : cause.message;
}
