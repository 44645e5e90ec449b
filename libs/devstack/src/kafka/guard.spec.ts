import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { identityOf, stillRuns } from '../process-identity.js';
import { Guard } from './guard.js';

const GUARDED = fileURLToPath(new URL('../../test/guarded.mjs', import.meta.url));

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rookery-guard-'));
  await writeFile(join(folder, 'data'), 'of a test');
  return folder;
}

async function comesTrue(ask: () => boolean | Promise<boolean>): Promise<boolean> {
  const until = performance.now() + 30_000;
  while (!(await ask())) {
    if (performance.now() > until) return false;
    await delay(20);
  }
  return true;
}

describe('the guard', () => {
  it('kills what is on its list and removes the folder when its process is killed', async () => {
    const folder = await makeFolder();
    const owner = spawn(process.execPath, [GUARDED, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const guarded = (await identityOf(Number(line.toString())))!;
    expect(await stillRuns(guarded)).toBe(true);
    owner.kill('SIGKILL');
    await once(owner, 'close');
    expect(await comesTrue(async () => !(await stillRuns(guarded)))).toBe(true);
    expect(await comesTrue(() => !existsSync(folder))).toBe(true);
  });

  it('leaves alone what was taken from its list', async () => {
    const guard = await Guard.over(await makeFolder());
    const child = spawn('sleep', ['300'], { stdio: 'ignore' });
    guard.add(child.pid!);
    guard.remove(child.pid!);
    await guard.release();
    expect(await identityOf(child.pid!)).toBeDefined();
    child.kill('SIGKILL');
    await once(child, 'close');
  });

  it('has removed the folder when it is released', async () => {
    const folder = await makeFolder();
    const guard = await Guard.over(folder);
    await guard.release();
    expect(existsSync(folder)).toBe(false);
  });
});
