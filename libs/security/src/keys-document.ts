import { z } from 'zod';
import { securityErrors } from './security.errors.js';

/** An HS256 key is as long as its hash (RFC 7518, 3.2). */
export const MIN_SECRET_BYTES = 32;

const kid = z.string().min(1).max(64);
const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/, 'must be base64url');

// JWK members that say nothing about the key's bytes (use, key_ops, kid …) are dropped.
const octJwk = z.object({
  kty: z.literal('oct'),
  k: base64url.refine((k) => Buffer.from(k, 'base64url').length >= MIN_SECRET_BYTES, {
    message: `must hold at least ${MIN_SECRET_BYTES} bytes`,
  }),
});
const ed25519Jwk = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: base64url,
  d: base64url.optional(),
});
const p256Jwk = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: base64url,
  y: base64url,
  d: base64url.optional(),
});

const keyDefinition = z.union([
  z.strictObject({
    kid,
    alg: z.literal('HS256'),
    secret: z.string().refine((secret) => Buffer.byteLength(secret) >= MIN_SECRET_BYTES, {
      message: `must be at least ${MIN_SECRET_BYTES} bytes`,
    }),
  }),
  z.strictObject({ kid, alg: z.literal('HS256'), jwk: octJwk }),
  z.strictObject({ kid, alg: z.literal('EdDSA'), jwk: ed25519Jwk }),
  z.strictObject({ kid, alg: z.literal('ES256'), jwk: p256Jwk }),
]);

const keysDocument = z
  .strictObject({ signing: kid, keys: z.array(keyDefinition).min(1).max(64) })
  .superRefine((document, context) => {
    const kids = document.keys.map((key) => key.kid);
    for (const [index, each] of kids.entries()) {
      if (kids.indexOf(each) === index) continue;
      context.addIssue({ code: 'custom', path: ['keys', index, 'kid'], message: 'is used twice' });
    }
    if (kids.length > 0 && !kids.includes(document.signing)) {
      context.addIssue({ code: 'custom', path: ['signing'], message: 'names no key of the file' });
    }
  });

/** What `JWT_KEYS_FILE` holds: `{ "signing": "<kid>", "keys": [{ "kid", "alg", "secret" | "jwk" }] }`. */
export type KeysDocument = z.infer<typeof keysDocument>;
export type KeyDefinition = z.infer<typeof keyDefinition>;
export type TokenAlgorithm = KeyDefinition['alg'];

/**
 * @param source named in errors
 * @throws RK_SECURITY_KEYS_INVALID with the place of each fault; never with a value, since values are secrets
 */
export function parseKeysDocument(text: string, source: string): KeysDocument {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw securityErrors.create('KEYS_INVALID', { data: { source, reason: 'it is not JSON' } });
  }
  const parsed = keysDocument.safeParse(json);
  if (parsed.success) return parsed.data;
  const reason = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'the document'}: ${describe(issue)}`,
  );
  throw securityErrors.create('KEYS_INVALID', { data: { source, reason: reason.join('; ') } });
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'has members that are not known';
  if (issue.code !== 'invalid_union') return issue.message;
  // Of the forms a key can take, the one that fits best says what is wrong.
  const [nearest] = [...issue.errors].sort((a, b) => a.length - b.length);
  return (nearest ?? []).map((each) => `${each.path.join('.')} ${describe(each)}`).join(', ');
}
