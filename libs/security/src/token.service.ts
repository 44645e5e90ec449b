import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isId, noopMeter, systemClock, type Clock, type Counter, type Id } from '@rookery/kernel';
import { decodeProtectedHeader, errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { LRUCache } from 'lru-cache';
import type { KeySet, TokenKey } from './key-set.js';
import type { KeySource } from './key-source.js';
import { securityErrors } from './security.errors.js';
import { MAX_TOKEN_LENGTH, type TokenOptions } from './security.options.js';

/** What a token says, once it is known to be true. Shared between requests: frozen. */
export interface Verified {
  readonly subject: Id;
  /** Milliseconds since 1970. */
  readonly issuedAt: number | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** The key that signed. */
  readonly kid: string;
  /** All claims, registered ones included. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Claims of an application's own, beside the registered ones, which the service sets. */
export type ExtraClaims = Readonly<Record<string, unknown>> & {
  readonly [registered in 'sub' | 'iss' | 'aud' | 'iat' | 'exp' | 'nbf']?: never;
};

/** Why a token was refused; `data.reason` of RK_SECURITY_TOKEN_INVALID. */
export type TokenFault =
  'too long' | 'malformed' | 'unknown key' | 'wrong signature' | 'expired' | 'wrong claims';

interface Remembered {
  readonly verified: Verified;
  readonly key: TokenKey;
}

/**
 * Signs and verifies JSON Web Tokens (RFC 7519) whose subject is an id.
 *
 * Promises: one key signs, every key of the set verifies; the algorithm is the key's, whatever the token says; a token
 * once verified is known by its SHA-256 for as long as it is valid and its key is in the set, not a millisecond longer.
 */
@Injectable()
export class TokenService {
  private readonly known: LRUCache<string, Remembered>;
  private readonly clock: Clock;
  private readonly outcomes: Counter;

  constructor(
    private readonly source: KeySource,
    private readonly options: TokenOptions = {},
  ) {
    const { meter = noopMeter, clock = systemClock, rememberedTokens = 10_000 } = options;
    this.clock = clock;
    this.known = new LRUCache({ max: rememberedTokens });
    this.outcomes = meter.counter({
      name: 'rookery_security_token_verifications_total',
      help: 'Tokens verified by signature (those known already are not counted), by outcome',
      labels: ['outcome'],
    });
    meter.gauge(
      { name: 'rookery_security_tokens_remembered', help: 'Verified tokens known by their hash' },
      () => [{ value: this.known.size }],
    );
  }

  /**
   * A token for `subject`, valid for `tokenTtlSeconds`.
   * @throws RK_SECURITY_TOKEN_TOO_LONG where `extra` makes it longer than `verify` would read
   */
  async sign(subject: Id, extra: ExtraClaims = {}): Promise<string> {
    const { signing } = this.source.current();
    const { issuer, audience, tokenTtlSeconds = 86_400 } = this.options;
    const now = Math.floor(this.clock.now() / 1000);
    const jwt = new SignJWT({ ...extra })
      .setProtectedHeader({ alg: signing.alg, kid: signing.kid, typ: 'JWT' })
      .setSubject(subject)
      .setIssuedAt(now)
      .setExpirationTime(now + tokenTtlSeconds);
    if (issuer !== undefined) jwt.setIssuer(issuer);
    if (audience !== undefined) jwt.setAudience(audience);
    const token = await jwt.sign(signing.signWith);
    if (token.length > MAX_TOKEN_LENGTH) {
      throw securityErrors.create('TOKEN_TOO_LONG', {
        data: { length: token.length, limit: MAX_TOKEN_LENGTH },
      });
    }
    return token;
  }

  /** What is already known of a token, at once: `undefined` says nothing about it. */
  peek(token: string): Verified | undefined {
    return token.length > MAX_TOKEN_LENGTH ? undefined : this.recall(digest(token));
  }

  /** @throws RK_SECURITY_TOKEN_INVALID with the {@link TokenFault} as its `reason` */
  async verify(token: string): Promise<Verified> {
    if (token.length > MAX_TOKEN_LENGTH) throw refused('too long');
    const id = digest(token);
    const remembered = this.recall(id);
    if (remembered !== undefined) return remembered;
    try {
      const fresh = await this.verifyByKey(token);
      this.outcomes.add(1, { outcome: 'ok' });
      this.known.set(id, fresh);
      return fresh.verified;
    } catch (error) {
      if (securityErrors.is(error, 'TOKEN_INVALID')) this.outcomes.add(1, { outcome: 'refused' });
      throw error;
    }
  }

  private recall(id: string): Verified | undefined {
    const remembered = this.known.get(id);
    if (remembered === undefined) return undefined;
    if (remembered.verified.expiresAt > this.clock.now() && this.source.current().holds(remembered.key)) {
      return remembered.verified;
    }
    this.known.delete(id);
    return undefined;
  }

  private async verifyByKey(token: string): Promise<Remembered> {
    const header = protectedHeader(token);
    const key = await this.keyFor(header.kid);
    // The header's algorithm is compared, never obeyed: jose is told the key's one alone.
    if (header.alg !== key.alg) throw refused('wrong signature');
    const { issuer, audience, clockToleranceSeconds = 5 } = this.options;
    let claims: JWTPayload;
    try {
      const { payload } = await jwtVerify(token, key.verifyWith, {
        algorithms: [key.alg],
        issuer,
        audience,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(this.clock.now()),
      });
      claims = payload;
    } catch (error) {
      throw refused(faultOf(error), error);
    }
    // The key may have been withdrawn while the signature was checked.
    if (!this.source.current().holds(key)) throw refused('unknown key');
    if (!isId(claims.sub) || claims.exp === undefined) throw refused('wrong claims');
    return {
      key,
      verified: Object.freeze({
        subject: claims.sub,
        issuedAt: claims.iat === undefined ? undefined : claims.iat * 1000,
        expiresAt: claims.exp * 1000,
        kid: key.kid,
        claims: deepFreeze(claims),
      }),
    };
  }

  private async keyFor(kid: unknown): Promise<TokenKey> {
    if (typeof kid !== 'string') throw refused('unknown key');
    const find = (keys: KeySet): TokenKey | undefined => keys.find(kid);
    const present = find(this.source.current());
    if (present !== undefined) return present;
    await this.source.refresh();
    const refreshed = find(this.source.current());
    if (refreshed === undefined) throw refused('unknown key');
    return refreshed;
  }
}

/** Not the token itself: what is in memory must not be good for signing in. */
function digest(token: string): string {
  return hash('sha256', token, 'base64');
}

function protectedHeader(token: string): { readonly alg?: string; readonly kid?: unknown } {
  try {
    return decodeProtectedHeader(token);
  } catch (error) {
    throw refused('malformed', error);
  }
}

function refused(reason: TokenFault, cause?: unknown) {
  return securityErrors.create('TOKEN_INVALID', { data: { reason }, cause });
}

function faultOf(error: unknown): TokenFault {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return 'wrong claims';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'wrong signature';
  if (error instanceof errors.JOSEError) return 'malformed';
  throw error;
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const each of Object.values(value)) if (typeof each === 'object' && each !== null) deepFreeze(each);
  return Object.freeze(value);
}
