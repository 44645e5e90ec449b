import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { identityOf, ownIdentity, stillRuns } from './process-identity.js';

describe('the identity of a process', () => {
  it('is the same as long as it runs, and none once it has ended', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    await once(child, 'spawn');
    const identity = await identityOf(child.pid!);
    expect(identity).toEqual(await identityOf(child.pid!));
    expect(await stillRuns(identity!)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await identityOf(child.pid!)).toBeUndefined();
    expect(await stillRuns(identity!)).toBe(false);
  });

  it('does not take a process that was given the pid of a dead one for that one', async () => {
    const own = await ownIdentity();
    expect(await stillRuns(own)).toBe(true);
    expect(await stillRuns({ pid: own.pid, born: 'at another time' })).toBe(false);
  });

  if (process.platform === 'linux') {
    it('holds a zombie for dead', async () => {
      // The shell starts a child, says its pid and becomes a program that never asks how the child ended.
      const script = 'sleep 300 & echo $!; exec sleep 300';
      const parent = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(line.toString());
      try {
        while ((await readFile(`/proc/${parent.pid}/comm`, 'utf8')).trim() !== 'sleep') await delay(5);
        process.kill(pid, 'SIGKILL');
        const until = performance.now() + 30_000;
        while ((await identityOf(pid)) && performance.now() < until) await delay(10);
        expect(() => process.kill(pid, 0)).not.toThrow();
        expect(await identityOf(pid)).toBeUndefined();
      } finally {
        parent.kill('SIGKILL');
        await once(parent, 'close');
      }
    });
  }
});
