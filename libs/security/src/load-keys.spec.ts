import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadKeys, type LoadKeysOptions } from './load-keys.js';

const secret = 'a secret of more than thirty-two bytes';
let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rookery-load-keys-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const codeOf = (options: LoadKeysOptions) =>
  loadKeys(options).then(
    () => 'loaded',
    (error: { code?: string }) => error.code,
  );

describe('loadKeys', () => {
  it('does not start in production without keys, whatever a data folder holds', async () => {
    await loadKeys({ production: false, dataDir });
    expect(await codeOf({ production: true, dataDir })).toBe('RK_SECURITY_KEYS_MISSING');
    expect(await codeOf({ production: false })).toBe('RK_SECURITY_KEYS_MISSING');
  });

  it('keeps development keys from one start to the next', async () => {
    const first = await loadKeys({ production: false, dataDir });
    const second = await loadKeys({ production: false, dataDir });
    expect(second.current().signing.fingerprint).toBe(first.current().signing.fingerprint);
  });

  it('takes a file, or a secret, and not both', async () => {
    const keysFile = join(dataDir, 'given.json');
    await writeFile(keysFile, JSON.stringify({ signing: 'a', keys: [{ kid: 'a', alg: 'HS256', secret }] }));
    expect((await loadKeys({ production: true, keysFile })).current().signing.kid).toBe('a');
    const bySecret = await loadKeys({ production: true, secret });
    expect(bySecret.current().signing.alg).toBe('HS256');
    expect((await bySecret.health.check(100)).status).toBe('up');
    expect(await codeOf({ production: true, secret, keysFile })).toBe('RK_SECURITY_KEYS_INVALID');
    expect(await codeOf({ production: true, secret: 'short' })).toBe('RK_SECURITY_KEYS_INVALID');
  });
});
