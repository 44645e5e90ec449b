// Makes the secrets of a site that is tried on one machine, once: node make-secrets.mjs FOLDER SHARD…
// Each SHARD is the host of a PostgreSQL that has a database and a user `conduit`. What is there already is kept.
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

const [folder, ...shards] = process.argv.slice(2);
if (folder === undefined || shards.length === 0) {
  process.stderr.write('usage: node make-secrets.mjs FOLDER SHARD…\n');
  process.exit(2);
}
/** The user that the site's image runs as. */
const SITE = 10_001;

mkdirSync(folder, { recursive: true });
make('jwt-secret', () => randomBytes(48).toString('base64url'));
make('postgres-password', () => randomBytes(24).toString('base64url'));
const password = readFileSync(join(folder, 'postgres-password'), 'utf8');
make('shard-urls', () =>
  shards.map((host) => `postgres://conduit:${password}@${host}:5432/conduit`).join(','),
);

function make(name, content) {
  const path = join(folder, name);
  try {
    writeFileSync(path, content(), { flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return;
  }
  chmodSync(path, 0o440);
  if (process.getuid?.() === 0) chownSync(path, SITE, SITE);
}
