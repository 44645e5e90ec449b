import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Cache } from '../cache.js';
import type { CachedEntry } from '../cached-entry.js';
import { hasIt, headersOf } from './answer-headers.js';
import type { CachedOptions } from './cached.decorator.js';
import { HTTP_CACHE_OPTIONS, type HttpCacheOptions } from './http-cache.options.js';

/** What an address was answered with, and may be again. */
interface Known {
  readonly key: string;
  /** Template of its route. */
  readonly route: string;
  readonly options: CachedOptions;
}

/** The answers that were made last, which are the same for as long as their entry and the seconds left of it are. */
interface Made {
  readonly body: Buffer;
  readonly seconds: number;
  readonly answer: ReadyAnswer;
  /** For a client who has the body already. */
  readonly notModified: ReadyAnswer;
}

interface Remembered extends Known {
  made?: Made;
}

/** An answer before the router, as `answerEarly` of @rookery/http takes it. */
export interface ReadyAnswer {
  readonly status: number;
  readonly route: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

const MAX_EARLY = 10_000;

/**
 * Addresses that somebody asked for, and the key each one led to, for each viewer apart. What leads from an address and a
 * viewer to a key is code, not data, so it holds for as long as the process lives; whether there is an answer under that key
 * is asked each time.
 */
@Injectable()
export class EarlyIndex {
  private readonly known: LRUCache<string, Remembered>;

  constructor(
    private readonly cache: Cache,
    @Inject(HTTP_CACHE_OPTIONS) private readonly given: HttpCacheOptions,
  ) {
    this.known = new LRUCache({ max: given.maxEarly ?? MAX_EARLY });
  }

  /** A request for this address, as it came, had this key; `viewer` where its key has one. */
  learn(url: string, known: Known, viewer?: string): void {
    const address = addressOf(url, viewer);
    if (this.known.get(address)?.key !== known.key) this.known.set(address, { ...known });
  }

  /**
   * The answer to a GET, if it is fresh in memory.
   * @param viewer who calls, already made sure of; undefined for a request without credentials
   */
  readonly find = (url: string, headers: IncomingHttpHeaders, viewer?: string): ReadyAnswer | undefined => {
    const known = this.knownFor(url, viewer);
    if (!known || this.given.enabled?.() === false) return undefined;
    const entry = this.cache.peek(known.key);
    if (!entry) return undefined;
    const seconds = Math.ceil(entry.ttlMs / 1_000);
    let { made } = known;
    if (!made || made.body !== entry.body || made.seconds !== seconds) {
      known.made = made = madeOf(entry, known, seconds);
    }
    return hasIt(headers['if-none-match'], entry.etag) ? made.notModified : made.answer;
  };

  private knownFor(url: string, viewer: string | undefined): Remembered | undefined {
    if (viewer === undefined) return this.known.get(url);
    const known = this.known.get(addressOf(url, viewer));
    if (known) return known;
    const forAll = this.known.get(url);
    return forAll?.options.viewer ? undefined : forAll;
  }
}

/** A path begins with a slash, and a viewer's id has none: no two callers have one address. */
function addressOf(url: string, viewer: string | undefined): string {
  return viewer === undefined ? url : `${viewer} ${url}`;
}

function madeOf(entry: CachedEntry, { options, route }: Known, seconds: number): Made {
  const { body } = entry;
  const headers = headersOf(entry, options);
  if (options.viewer) headers['vary'] = 'Authorization';
  const { 'content-type': _, ...withoutType } = headers;
  return {
    body,
    seconds,
    answer: { status: 200, route, headers, body },
    notModified: { status: 304, route, headers: withoutType, body: undefined },
  };
}
