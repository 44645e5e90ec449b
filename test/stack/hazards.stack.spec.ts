// needs: redis
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cell } from '../../bench/hazards/main.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

/** What the command finds of one library. */
async function columnOf(library: string): Promise<Record<string, Cell['outcome']>> {
  const folder = await mkdtemp(join(tmpdir(), 'rookery-hazards-'));
  try {
    const file = join(folder, 'cells.json');
    await run('npm', ['run', '-s', 'hazards', '--', '--only', library, '--json', file], { cwd: ROOT });
    const cells = JSON.parse(await readFile(file, 'utf8')) as Cell[];
    return Object.fromEntries(cells.map(({ hazard, outcome }) => [hazard, outcome]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('the hazards of caches', () => {
  it('are none of ours', async () => {
    const column = await columnOf('@rookery/cache');
    expect(Object.keys(column).length).toBeGreaterThanOrEqual(9);
    expect(Object.entries(column).filter(([, outcome]) => outcome?.clean !== true)).toEqual([]);
  }, 300_000);

  it('are found where they are', async () => {
    const column = await columnOf('cache-manager 5, redis-yet');
    expect(column).toMatchObject({
      'invalidated while it is loaded: next reader gets': { clean: false, seen: 'the old value' },
      'Redis frozen (SIGSTOP): a read takes': { clean: false },
      'Redis killed: reads': { clean: false, seen: 'the process ends' },
      'one viewer after another on one page: the second gets': null,
    });
  }, 300_000);
});
