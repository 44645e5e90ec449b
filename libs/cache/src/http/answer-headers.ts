import type { CachedEntry } from '../cached-entry.js';
import type { CachedOptions } from './cached.decorator.js';

export const NO_CACHE = 'private, no-cache';

/** Header fields of an answer from the cache. `Cache-Status` is that of RFC 9211. */
export function headersOf(
  { etag, status, ttlMs, contentType }: CachedEntry,
  { cacheControl = NO_CACHE }: CachedOptions,
): Record<string, string> {
  return {
    etag,
    'cache-control': cacheControl,
    'cache-status': statusField(status, ttlMs),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
  };
}

function statusField(status: CachedEntry['status'], ttlMs: number): string {
  switch (status) {
    case 'hit':
      return `rookery; hit; ttl=${Math.ceil(ttlMs / 1_000)}`;
    case 'stale':
      return 'rookery; hit; ttl=-1';
    case 'miss':
      return 'rookery; fwd=miss; stored';
    default:
      return 'rookery; fwd=bypass';
  }
}

/** Whether the client has these bytes already (RFC 9110, 13.1.2: by the weak comparison). */
export function hasIt(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}
