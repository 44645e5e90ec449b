import type { ReadStatus } from './cache.metrics.js';
import type { Entry } from './entry.js';

/** An entry for HTTP. What is in it is shared: nobody changes it. */
export interface CachedEntry {
  readonly body: Buffer;
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly status: ReadStatus;
  readonly ageMs: number;
  /** Milliseconds that are left of its freshness; 0 if it is stale. */
  readonly ttlMs: number;
  readonly negative: boolean;
  readonly contentType: string | undefined;
  readonly statusCode: number | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

export function shown(
  { meta, body, writtenAt, freshUntil }: Entry,
  status: ReadStatus,
  now: number,
): CachedEntry {
  return {
    body,
    etag: meta.etag,
    status,
    ageMs: Math.max(0, now - writtenAt),
    ttlMs: status === 'stale' ? 0 : Math.max(0, freshUntil - now),
    negative: meta.negative !== undefined,
    contentType: meta.contentType,
    statusCode: meta.statusCode,
    headers: meta.headers,
  };
}
