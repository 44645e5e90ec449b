import { parseKeysDocument } from './keys-document.js';
import { securityErrors } from './security.errors.js';

const secret = 'a secret of more than thirty-two bytes';
const good = { signing: 'a', keys: [{ kid: 'a', alg: 'HS256', secret }] };

function faultOf(document: unknown): string {
  try {
    parseKeysDocument(typeof document === 'string' ? document : JSON.stringify(document), 'keys.json');
  } catch (error) {
    if (securityErrors.is(error, 'KEYS_INVALID')) return String(error.data['reason']);
    throw error;
  }
  return 'none';
}

describe('parseKeysDocument', () => {
  it('reads secrets and JWKs, and drops what a JWK says beside the key', () => {
    expect(faultOf(good)).toBe('none');
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: 'AAAA', use: 'sig', key_ops: ['verify'] };
    const read = parseKeysDocument(
      JSON.stringify({ ...good, keys: [...good.keys, { kid: 'b', alg: 'EdDSA', jwk }] }),
      'keys.json',
    );
    expect(read.keys[1]).toEqual({ kid: 'b', alg: 'EdDSA', jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' } });
  });

  it.each([
    ['text that is no JSON', `{"signing": "a", ${secret}`, 'it is not JSON'],
    ['a list', [], 'the document: Invalid input: expected object, received array'],
    ['no keys', { signing: 'a', keys: [] }, 'keys: Too small: expected array to have >=1 items'],
    ['a signing key that is not there', { ...good, signing: 'b' }, 'signing: names no key of the file'],
    ['a name used twice', { ...good, keys: [...good.keys, ...good.keys] }, 'keys.1.kid: is used twice'],
    [
      'a short secret',
      { ...good, keys: [{ kid: 'a', alg: 'HS256', secret: 'short' }] },
      'keys.0.secret: must be at least 32 bytes',
    ],
    [
      'a short JWK',
      { ...good, keys: [{ kid: 'a', alg: 'HS256', jwk: { kty: 'oct', k: 'c2hvcnQ' } }] },
      'keys.0.jwk.k: must hold at least 32 bytes',
    ],
  ])('says what is wrong with %s', (_, document, reason) => {
    expect(faultOf(document)).toBe(reason);
  });

  it.each(['none', 'RS256', 'HS512', 'hs256'])('refuses the algorithm %s', (alg) => {
    expect(faultOf({ ...good, keys: [{ kid: 'a', alg, secret }] })).toContain('keys.0: alg Invalid input');
  });

  it('never tells a secret', () => {
    const misplaced = { signing: 'a', keys: [{ kid: 'a', alg: 'HS256', [secret]: secret }], [secret]: 1 };
    for (const document of [misplaced, `${secret}`, { signing: secret, keys: secret }]) {
      const fault = faultOf(document);
      expect(fault).not.toBe('none');
      expect(fault).not.toContain('thirty-two');
    }
  });
});
