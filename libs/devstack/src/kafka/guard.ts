import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';

/**
 * Each line is the whole list of processes to kill. The end of input comes from `release`, with nothing on the list, or
 * from the system, when whoever wrote the list is dead. A process that is being killed may still make a file, hence the
 * second try and the third.
 */
const SCRIPT = `
while read -r list; do pids=$list; done
[ -z "$pids" ] || kill -9 $pids
for _ in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$0" && exit; sleep 0.3; done`;

/**
 * Kills processes and removes a folder when this process dies, even by SIGKILL. It is a shell that waits for the end of its
 * input; in a session of its own, so that Ctrl-C in a terminal leaves it its work.
 */
export class Guard {
  private readonly pids = new Set<number>();
  private readonly ended: Promise<void>;

  private constructor(
    private readonly folder: string,
    private readonly shell: ChildProcess & { readonly stdin: Writable },
  ) {
    this.ended = new Promise((resolve) => shell.once('close', () => resolve()));
    // Somebody killed the guard: then only `release` can clear up, and does.
    shell.stdin.on('error', () => undefined);
  }

  static async over(folder: string): Promise<Guard> {
    const shell = spawn('/bin/sh', ['-c', SCRIPT, folder], {
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const guard = new Guard(folder, shell);
    await once(shell, 'spawn');
    return guard;
  }

  add(pid: number): void {
    this.pids.add(pid);
    this.tell();
  }

  /** Must be told of every end: the system gives pids out again. */
  remove(pid: number): void {
    this.pids.delete(pid);
    this.tell();
  }

  /** Ends the guard: what is on its list still is killed, the folder is removed. */
  async release(): Promise<void> {
    this.shell.stdin.end();
    await this.ended;
    await rm(this.folder, { recursive: true, force: true });
  }

  private tell(): void {
    this.shell.stdin.write(`${[...this.pids].join(' ')}\n`);
  }
}
