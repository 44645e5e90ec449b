import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { KeySet } from './key-set.js';
import { parseKeysDocument } from './keys-document.js';
import { securityErrors } from './security.errors.js';

const secret = 'a secret of more than thirty-two bytes';
const from = (document: unknown, previous?: KeySet) =>
  KeySet.from(parseKeysDocument(JSON.stringify(document), 'keys.json'), 'keys.json', previous);

async function faultOf(work: Promise<unknown>): Promise<string> {
  const failure = await work.catch((error: unknown) => error);
  return securityErrors.is(failure, 'KEYS_INVALID')
    ? String(failure.data['reason'])
    : `no fault: ${String(failure)}`;
}

async function pair(alg: 'EdDSA' | 'ES256'): Promise<{ whole: JWK; open: JWK }> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { whole: await exportJWK(privateKey), open: await exportJWK(publicKey) };
}

describe('KeySet', () => {
  it('names a lone secret the same on every replica, and another secret otherwise', async () => {
    const [one, again, other] = await Promise.all([
      KeySet.fromSecret(secret),
      KeySet.fromSecret(secret),
      KeySet.fromSecret(`${secret}!`),
    ]);
    expect(again.signing.kid).toBe(one.signing.kid);
    expect(other.signing.kid).not.toBe(one.signing.kid);
    expect(one.signing.alg).toBe('HS256');
  });

  it('counts the bytes of a secret, not its characters', async () => {
    expect(await faultOf(KeySet.fromSecret('x'.repeat(31)))).toContain('at least 32 bytes');
    await expect(KeySet.fromSecret('é'.repeat(16))).resolves.toBeInstanceOf(KeySet);
  });

  it.each(['EdDSA', 'ES256'] as const)(
    'takes %s keys; a public one verifies and cannot sign',
    async (alg) => {
      const { whole, open } = await pair(alg);
      const other = await pair(alg);
      const keys = [
        { kid: 'mine', alg, jwk: whole },
        { kid: 'theirs', alg, jwk: other.open },
      ];
      const set = await from({ signing: 'mine', keys });
      expect(set.kids).toEqual(['mine', 'theirs']);
      expect(set.find('theirs')?.signWith).toBeUndefined();
      expect(await faultOf(from({ signing: 'theirs', keys }))).toBe(
        'the signing key "theirs" has no private part',
      );
      expect(
        await faultOf(
          from({ signing: 'mine', keys: [{ kid: 'mine', alg, jwk: { ...open, d: other.whole.d } }] }),
        ),
      ).toBe(`the key "mine" cannot be imported as ${alg}`);
      expect(
        await faultOf(from({ signing: 'mine', keys: [{ kid: 'mine', alg, jwk: { ...whole, x: 'AAAA' } }] })),
      ).toBe(`the key "mine" cannot be imported as ${alg}`);
    },
  );

  it('keeps a key that did not change as the same object, and not one that only kept its name', async () => {
    const before = await from({
      signing: 'a',
      keys: [
        { kid: 'a', alg: 'HS256', secret },
        { kid: 'b', alg: 'HS256', secret },
      ],
    });
    const after = await from(
      {
        signing: 'b',
        keys: [
          { kid: 'a', alg: 'HS256', secret },
          { kid: 'b', alg: 'HS256', secret: `${secret}!` },
        ],
      },
      before,
    );
    const [a, b] = [before.find('a')!, before.find('b')!];
    expect([after.holds(a), after.holds(b)]).toEqual([true, false]);
    expect([before.holds(a), before.holds(b)]).toEqual([true, true]);
  });
});
