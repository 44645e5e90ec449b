// A replica for the specs: a file of its id in SERVING says that it serves. ENDS: with this code, at once; ENDS_AFTER: once
// somebody has taken the file away; DEAF: SIGTERM is not heard.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { REPLICA_ID, SERVING, ENDS, ENDS_AFTER, DEAF } = process.env;
const file = join(SERVING, REPLICA_ID);

if (ENDS) {
  process.stderr.write('no, thanks\n');
  process.exit(Number(ENDS));
}
process.on('SIGTERM', () => {
  if (DEAF) return;
  rmSync(file);
  process.exit(0);
});
process.stdout.write(`${REPLICA_ID} serves\n`);
writeFileSync(file, '');
setInterval(() => {
  if (ENDS_AFTER && !existsSync(file)) process.exit(Number(ENDS_AFTER));
}, 10);
