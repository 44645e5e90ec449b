import type { Clock, Meter } from '@rookery/kernel';
import type { KeySet } from './key-set.js';
import type { KeySource } from './key-source.js';

/** Longest token that is read at all, in characters (4 KiB): a longer one is refused before it is hashed or parsed. */
export const MAX_TOKEN_LENGTH = 4096;

export interface TokenOptions {
  /** How long a token is valid. There is no list of withdrawn tokens, so this is how long a stolen one works. @default 86400 */
  readonly tokenTtlSeconds?: number;
  /** Set as `iss`, and then demanded. @default none */
  readonly issuer?: string;
  /** Set as `aud`, and then demanded. @default none */
  readonly audience?: string;
  /** How far the clocks of replicas may be apart. @default 5 */
  readonly clockToleranceSeconds?: number;
  /** Verified tokens known by their hash, the least recently used forgotten first; about 1 KB each. @default 10000 */
  readonly rememberedTokens?: number;
  readonly meter?: Meter;
  readonly clock?: Clock;
}

export interface PasswordOptions {
  /** Memory of one hash in KiB. @default 19456 (OWASP Password Storage Cheat Sheet: m=19456, t=2, p=1) */
  readonly memoryKiB?: number;
  /** Passes over the memory. @default 2 */
  readonly passes?: number;
  /** Lanes; more than one takes more threads per hash. @default 1 */
  readonly lanes?: number;
  /**
   * Hashes under way at once. Each takes a core and one of the four threads of libuv's pool, which the file system and
   * DNS look-ups need too: at most two by default, whatever the number of cores.
   * @default min(2, max(1, cores - 1))
   */
  readonly concurrency?: number;
  /** Hashes that may wait; one more is answered RK_SECURITY_BUSY. @default 64 */
  readonly queueLimit?: number;
  /** Longest wait in milliseconds where the request's own deadline is not sooner. @default 5000 */
  readonly maxWaitMs?: number;
  /** Longest password in bytes of UTF-8. @default 1024 */
  readonly maxPasswordBytes?: number;
  readonly meter?: Meter;
}

export interface SecurityOptions extends TokenOptions {
  readonly keys: KeySet | KeySource;
  /** Schemes of the Authorization header under which a token may come; the first is named in `WWW-Authenticate`. @default ['Bearer'] */
  readonly schemes?: readonly string[];
  readonly passwords?: Omit<PasswordOptions, 'meter'>;
}
