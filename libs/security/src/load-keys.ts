import { ensureDevelopmentKeys } from './development-keys.js';
import { FixedKeys, type KeySource } from './key-source.js';
import { KeySet } from './key-set.js';
import { KeysFile, type KeysFileOptions } from './keys-file.js';
import { securityErrors } from './security.errors.js';

export interface LoadKeysOptions extends KeysFileOptions {
  /** Path of a keys file (`JWT_KEYS_FILE`). */
  readonly keysFile?: string;
  /** A single HS256 secret of at least 32 bytes (`JWT_SECRET`). */
  readonly secret?: string;
  /** Where development keys are made and kept, as `jwt-keys.json`. */
  readonly dataDir?: string;
  /** Whether keys must be given: none are made up. */
  readonly production: boolean;
}

/**
 * The keys a replica runs with: of the file, of the secret, or, in development only, generated once and kept.
 * @throws RK_SECURITY_KEYS_MISSING where nothing is given and nothing may be made up
 * @throws RK_SECURITY_KEYS_INVALID where what is given cannot be used, or both a file and a secret are given
 */
export async function loadKeys(options: LoadKeysOptions): Promise<KeySource> {
  const { keysFile, secret, dataDir, production } = options;
  if (keysFile !== undefined && secret !== undefined) {
    throw securityErrors.create('KEYS_INVALID', {
      data: { source: 'JWT_KEYS_FILE and JWT_SECRET', reason: 'only one of them may be set' },
    });
  }
  if (keysFile !== undefined) return KeysFile.open(keysFile, options);
  if (secret !== undefined) return new FixedKeys(await KeySet.fromSecret(secret));
  if (production || dataDir === undefined) throw securityErrors.create('KEYS_MISSING');
  return KeysFile.open(await ensureDevelopmentKeys(dataDir), options);
}
