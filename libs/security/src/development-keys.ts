import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeysDocument } from './keys-document.js';
import { securityErrors } from './security.errors.js';
import { systemErrorCode } from './system-error-code.js';

/**
 * The keys file of a development data folder, made where there is none: one HS256 key of 384 random bits, readable by
 * its owner only. Replicas that start together agree: the file is written aside and linked into place, which exactly one
 * of them can do, and nobody ever reads half of it.
 * @returns the file's path
 * @throws RK_SECURITY_KEYS_INVALID where the folder cannot be written
 */
export async function ensureDevelopmentKeys(dataDir: string): Promise<string> {
  const path = join(dataDir, 'jwt-keys.json');
  const aside = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dataDir, { recursive: true });
    const file = await open(aside, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(newDocument(), null, 2) + '\n');
      await file.sync();
      await link(aside, path);
    } finally {
      await file.close();
      await rm(aside);
    }
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code !== 'EEXIST') {
      throw securityErrors.create('KEYS_INVALID', {
        data: { source: path, reason: `development keys cannot be made there (${code})` },
        cause,
      });
    }
  }
  return path;
}

function newDocument(): KeysDocument {
  const kid = `dev-${randomBytes(6).toString('base64url')}`;
  return { signing: kid, keys: [{ kid, alg: 'HS256', secret: randomBytes(48).toString('base64url') }] };
}
