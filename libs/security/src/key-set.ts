import { createHash, createHmac, webcrypto } from 'node:crypto';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { securityErrors } from './security.errors.js';
import {
  MIN_SECRET_BYTES,
  type KeyDefinition,
  type KeysDocument,
  type TokenAlgorithm,
} from './keys-document.js';

/** One key under its name. The algorithm belongs to the key: a token never chooses how it is verified. */
export interface TokenKey {
  readonly kid: string;
  readonly alg: TokenAlgorithm;
  readonly verifyWith: CryptoKey;
  /** Absent for a key that only verifies (a public JWK). */
  readonly signWith?: CryptoKey;
  /** SHA-256 of the definition: tells whether a key of the same name is still the same key. */
  readonly fingerprint: string;
}

/**
 * The keys of one moment: one signs, all verify. Immutable; a rotation is another set. A key whose definition did not
 * change is the same object in the next set, so that what was verified by it stays known.
 */
export class KeySet {
  private readonly byKid: ReadonlyMap<string, TokenKey>;

  private constructor(
    /** The key that signs. */
    readonly signing: TokenKey & { readonly signWith: CryptoKey },
    keys: readonly TokenKey[],
  ) {
    this.byKid = new Map(keys.map((key) => [key.kid, key]));
  }

  /**
   * @param source named in errors: a file's path, or the variable
   * @throws RK_SECURITY_KEYS_INVALID (a key that cannot be imported, a signing key that cannot sign)
   */
  static async from(document: KeysDocument, source: string, previous?: KeySet): Promise<KeySet> {
    const keys = await Promise.all(
      document.keys.map(async (definition) => {
        const fingerprint = createHash('sha256').update(JSON.stringify(definition)).digest('base64url');
        const known = previous?.find(definition.kid);
        if (known?.fingerprint === fingerprint) return known;
        try {
          return { kid: definition.kid, alg: definition.alg, fingerprint, ...(await importKey(definition)) };
        } catch (cause) {
          throw invalid(source, `the key "${definition.kid}" cannot be imported as ${definition.alg}`, cause);
        }
      }),
    );
    const signing = keys.find((key) => key.kid === document.signing);
    if (signing?.signWith === undefined) {
      throw invalid(source, `the signing key "${document.signing}" has no private part`);
    }
    return new KeySet({ ...signing, signWith: signing.signWith }, keys);
  }

  /**
   * One HS256 key, named by its own thumbprint: replicas given the same secret agree on the name without being told.
   * @param secret at least 32 bytes of UTF-8
   * @throws RK_SECURITY_KEYS_INVALID
   */
  static fromSecret(secret: string, source = 'JWT_SECRET'): Promise<KeySet> {
    if (Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
      return Promise.reject(
        invalid(source, `a secret is at least ${MIN_SECRET_BYTES} bytes (try: openssl rand -base64 48)`),
      );
    }
    const kid = createHmac('sha256', secret).update('rookery kid').digest('base64url').slice(0, 12);
    return KeySet.from({ signing: kid, keys: [{ kid, alg: 'HS256', secret }] }, source);
  }

  find(kid: string): TokenKey | undefined {
    return this.byKid.get(kid);
  }

  /** Whether this very key, not only its name, still verifies. */
  holds(key: TokenKey): boolean {
    return this.byKid.get(key.kid) === key;
  }

  get kids(): readonly string[] {
    return [...this.byKid.keys()];
  }
}

async function importKey(definition: KeyDefinition): Promise<Pick<TokenKey, 'verifyWith' | 'signWith'>> {
  const { alg } = definition;
  if (alg === 'HS256') {
    const bytes =
      'secret' in definition ? Buffer.from(definition.secret) : Buffer.from(definition.jwk.k, 'base64url');
    // Imported once: jose imports raw bytes anew for each token, at twice the cost of the verification.
    const key = await webcrypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
      'verify',
    ]);
    return { verifyWith: key, signWith: key };
  }
  const { d, ...publicPart } = definition.jwk;
  const verifyWith = await asymmetric(publicPart, alg);
  return d === undefined
    ? { verifyWith }
    : { verifyWith, signWith: await asymmetric({ ...publicPart, d }, alg) };
}

async function asymmetric(jwk: JWK, alg: TokenAlgorithm): Promise<CryptoKey> {
  const key = await importJWK(jwk, alg);
  if (key instanceof Uint8Array) throw new TypeError('an asymmetric key was expected');
  return key;
}

function invalid(source: string, reason: string, cause?: unknown): Error {
  return securityErrors.create('KEYS_INVALID', { data: { source, reason }, cause });
}
