import { createHmac, generateKeyPairSync } from 'node:crypto';
import { newId, type Clock, type HealthProbe } from '@rookery/kernel';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import fc from 'fast-check';
import { KeySet } from './key-set.js';
import { FixedKeys, KeySource } from './key-source.js';
import { parseKeysDocument } from './keys-document.js';
import { securityErrors } from './security.errors.js';
import { MAX_TOKEN_LENGTH, type TokenOptions } from './security.options.js';
import { TokenService } from './token.service.js';

const secret = 'a secret of more than thirty-two bytes';
const subject = newId(1234);

class TestClock implements Clock {
  constructor(public at = 1_800_000_000_000) {}
  now = () => this.at;
  monotonic = () => this.at;
}

/** Keys that a test changes by hand; `onRefresh` is what another look would find. */
class HandKeys extends KeySource {
  readonly health: HealthProbe = {
    name: 'keys',
    critical: false,
    check: () => Promise.resolve({ status: 'up' }),
  };
  onRefresh: KeySet | undefined;
  constructor(public keys: KeySet) {
    super();
  }
  current = () => this.keys;
  refresh = () => {
    this.keys = this.onRefresh ?? this.keys;
    return Promise.resolve();
  };
  start = () => undefined;
  stop = () => Promise.resolve();
}

type Definition = { kid: string; alg: string; secret?: string; jwk?: JWK };
const keySet = (signing: string, keys: readonly Definition[], previous?: KeySet) =>
  KeySet.from(parseKeysDocument(JSON.stringify({ signing, keys }), 'test'), 'test', previous);

async function serviceOf(options: TokenOptions = {}) {
  const clock = new TestClock();
  const keys = new HandKeys(await keySet('a', [{ kid: 'a', alg: 'HS256', secret }]));
  return { clock, keys, tokens: new TokenService(keys, { clock, ...options }) };
}

async function faultOf(work: Promise<unknown>): Promise<unknown> {
  const failure = await work.then(
    () => 'accepted',
    (error: unknown) => error,
  );
  return securityErrors.is(failure, 'TOKEN_INVALID') ? failure.data['reason'] : failure;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
/** A token as an attacker, or another program, would write it by hand. */
function forge(header: object, claims: object, key: string | Buffer = secret): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

describe('TokenService', () => {
  it('verifies what it signed', async () => {
    const { tokens, clock } = await serviceOf({ tokenTtlSeconds: 60, issuer: 'here', audience: 'site' });
    const token = await tokens.sign(subject, { role: 'editor', nested: { deep: [1] } });
    const verified = await tokens.verify(token);
    expect(verified).toMatchObject({
      subject,
      kid: 'a',
      issuedAt: clock.at,
      expiresAt: clock.at + 60_000,
      claims: { role: 'editor', nested: { deep: [1] }, iss: 'here', aud: 'site' },
    });
    expect(JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())).toEqual({
      alg: 'HS256',
      kid: 'a',
      typ: 'JWT',
    });
    expect(() => Object.assign(verified.claims['nested']!, { deep: 2 })).toThrow(/read only/);
  });

  it('does not let extra claims take the place of its own', async () => {
    const { tokens } = await serviceOf();
    const sneaked: Record<string, never> = JSON.parse(JSON.stringify({ sub: newId(1), exp: 9e9, iat: 1 }));
    const verified = await tokens.verify(await tokens.sign(subject, sneaked));
    expect(verified.subject).toBe(subject);
    expect(verified.expiresAt).toBeLessThan(9e12);
  });

  describe.each(['EdDSA', 'ES256'] as const)('with an %s key', (alg) => {
    it('signs and verifies, also where only the public part is known', async () => {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
      const signer = new TokenService(
        new FixedKeys(await keySet('k', [{ kid: 'k', alg, jwk: await exportJWK(privateKey) }])),
      );
      const verifier = new TokenService(
        new FixedKeys(
          await keySet('a', [
            { kid: 'a', alg: 'HS256', secret },
            { kid: 'k', alg, jwk: await exportJWK(publicKey) },
          ]),
        ),
      );
      expect(await verifier.verify(await signer.sign(subject))).toMatchObject({ subject, kid: 'k' });
    });

    it('refuses a token whose HMAC was made with the public key', async () => {
      const { publicKey, privateKey } =
        alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const jwk = privateKey.export({ format: 'jwk' }) as JWK;
      const tokens = new TokenService(new FixedKeys(await keySet('k', [{ kid: 'k', alg, jwk }])));
      const claims = { sub: subject, exp: 4e9 };
      for (const form of ['pem', 'der'] as const) {
        const key = publicKey.export({ format: form, type: 'spki' } as { format: 'pem'; type: 'spki' });
        expect(await faultOf(tokens.verify(forge({ alg: 'HS256', kid: 'k' }, claims, key)))).toBe(
          'wrong signature',
        );
      }
      expect(await faultOf(tokens.verify(forge({ alg: 'HS256', kid: 'k' }, claims, jwk.x)))).toBe(
        'wrong signature',
      );
    });
  });

  describe('refuses', () => {
    const claims = { sub: subject, exp: 4_000_000_000 };
    const header = { alg: 'HS256', kid: 'a' };

    it('nothing of a good token: the forger of these tests can write one', async () => {
      const { tokens } = await serviceOf();
      expect(await faultOf(tokens.verify(forge(header, claims)))).toBe('accepted');
    });

    it.each(['none', 'None', 'NONE', 'HS512', 'ES256', 'RS256', '', undefined, 1, null])(
      'the algorithm %p',
      async (alg) => {
        const { tokens } = await serviceOf();
        const signed = forge({ ...header, alg }, claims);
        expect(await faultOf(tokens.verify(signed))).toBe('wrong signature');
        expect(await faultOf(tokens.verify(signed.slice(0, signed.lastIndexOf('.') + 1)))).toBe(
          'wrong signature',
        );
      },
    );

    it('a token changed in any one character', async () => {
      const { tokens } = await serviceOf();
      const token = await tokens.sign(subject);
      await tokens.verify(token);
      for (let at = 0; at < token.length; at += 1) {
        const other = token[at] === 'A' ? 'Q' : 'A';
        const changed = token.slice(0, at) + other + token.slice(at + 1);
        expect(tokens.peek(changed)).toBeUndefined();
        expect(await faultOf(tokens.verify(changed))).not.toBe('accepted');
      }
    });

    it.each([
      ['no kid', { alg: 'HS256' }, claims, 'unknown key'],
      ['another kid', { alg: 'HS256', kid: 'b' }, claims, 'unknown key'],
      ['a kid that objects have', { alg: 'HS256', kid: '__proto__' }, claims, 'unknown key'],
      ['a kid that is no text', { alg: 'HS256', kid: ['a'] }, claims, 'unknown key'],
      ['a critical extension', { ...header, crit: ['x'], x: 1 }, claims, 'malformed'],
      ['no expiry', header, { sub: subject }, 'wrong claims'],
      ['an expiry that is no number', header, { ...claims, exp: '4000000000' }, 'wrong claims'],
      ['no subject', header, { exp: claims.exp }, 'wrong claims'],
      ['a subject that is no id', header, { ...claims, sub: 'root' }, 'wrong claims'],
      ['a time to come', header, { ...claims, nbf: 3_900_000_000 }, 'wrong claims'],
      ['claims that are a list', header, [claims], 'malformed'],
    ])('%s', async (_, head, body, fault) => {
      const { tokens } = await serviceOf();
      expect(await faultOf(tokens.verify(forge(head, body)))).toBe(fault);
    });

    it('another issuer or audience than its own', async () => {
      const { tokens } = await serviceOf({ issuer: 'here', audience: 'site' });
      const fitting = { ...claims, iss: 'here', aud: ['site', 'other'] };
      expect(await faultOf(tokens.verify(forge(header, fitting)))).toBe('accepted');
      for (const wrong of [{ iss: 'there' }, { iss: undefined }, { aud: 'other' }, { aud: undefined }]) {
        expect(await faultOf(tokens.verify(forge(header, { ...fitting, ...wrong })))).toBe('wrong claims');
      }
    });

    it('more than 4 KiB unread, and does not sign so much', async () => {
      const { tokens } = await serviceOf();
      const room = MAX_TOKEN_LENGTH - forge(header, { ...claims, x: '' }).length;
      const long = forge(header, { ...claims, x: 'x'.repeat(room) });
      expect(await faultOf(tokens.verify(long))).toBe('too long');
      expect(tokens.peek(long)).toBeUndefined();
      const failure = await tokens.sign(subject, { x: 'x'.repeat(room) }).catch((error: unknown) => error);
      expect(securityErrors.is(failure, 'TOKEN_TOO_LONG')).toBe(true);
    });

    it('any other text, by the same error', async () => {
      const { tokens } = await serviceOf();
      const base64 = fc.string().map((text) => Buffer.from(text).toString('base64url'));
      const json = fc.json().map((text) => Buffer.from(text).toString('base64url'));
      const part = fc.oneof(base64, json, fc.string({ unit: 'binary' }), fc.constant(encode(header)));
      const text = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
      );
      await fc.assert(
        fc.asyncProperty(text, async (each) => {
          expect(['malformed', 'unknown key', 'wrong signature']).toContain(
            await faultOf(tokens.verify(each)),
          );
        }),
        { numRuns: 500 },
      );
    });
  });

  describe('remembers a verified token', () => {
    it('at once, by what is the same text only', async () => {
      const { tokens } = await serviceOf();
      const token = await tokens.sign(subject);
      expect(tokens.peek(token)).toBeUndefined();
      const verified = await tokens.verify(token);
      expect(tokens.peek(token)).toBe(verified);
      expect(await tokens.verify(token)).toBe(verified);
    });

    it('never beyond its expiry, nor for the tolerance of the clocks', async () => {
      const { tokens, clock } = await serviceOf({ tokenTtlSeconds: 60, clockToleranceSeconds: 5 });
      const token = await tokens.sign(subject);
      await tokens.verify(token);
      clock.at += 59_999;
      expect(tokens.peek(token)).toBeDefined();
      clock.at += 1;
      expect(tokens.peek(token)).toBeUndefined();
      expect(await faultOf(tokens.verify(token))).toBe('accepted');
      expect(tokens.peek(token)).toBeUndefined();
      clock.at += 4_999;
      expect(await faultOf(tokens.verify(token))).toBe('accepted');
      clock.at += 1;
      expect(await faultOf(tokens.verify(token))).toBe('expired');
    });

    it('never beyond its key, not even one that came back under the same name', async () => {
      const { tokens, keys } = await serviceOf();
      const token = await tokens.sign(subject);
      await tokens.verify(token);
      keys.keys = await keySet('a', [{ kid: 'a', alg: 'HS256', secret: `${secret}!` }], keys.keys);
      expect(tokens.peek(token)).toBeUndefined();
      expect(await faultOf(tokens.verify(token))).toBe('wrong signature');
    });

    it('never when its key is withdrawn while its signature is checked', async () => {
      const { tokens, keys } = await serviceOf();
      const token = await tokens.sign(subject);
      const others = await KeySet.fromSecret(`${secret}!`);
      const underWay = faultOf(tokens.verify(token));
      keys.keys = others;
      expect(await underWay).toBe('unknown key');
      expect(tokens.peek(token)).toBeUndefined();
    });

    it('within its bound, the least recently used forgotten', async () => {
      const { tokens } = await serviceOf({ rememberedTokens: 2 });
      const three = await Promise.all([0, 1, 2].map((slot) => tokens.sign(newId(slot))));
      for (const each of three) await tokens.verify(each);
      expect(three.map((each) => tokens.peek(each) !== undefined)).toEqual([false, true, true]);
    });
  });

  it('looks once more for a key that another replica already signs with', async () => {
    const { tokens, keys } = await serviceOf();
    const both = await keySet(
      'b',
      [
        { kid: 'a', alg: 'HS256', secret },
        { kid: 'b', alg: 'HS256', secret: `${secret}!` },
      ],
      keys.keys,
    );
    const clock = new TestClock();
    const token = await new TokenService(new HandKeys(both), { clock }).sign(subject);
    expect(await faultOf(tokens.verify(token))).toBe('unknown key');
    keys.onRefresh = both;
    expect(await faultOf(tokens.verify(token))).toBe('accepted');
  });
});
