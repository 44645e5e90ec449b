import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A process for ever: its pid, and when it was born, since the system gives pids out again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal only for the same process of the same boot. */
  readonly born: string;
}

/** The process that has this pid now; `undefined` when none runs (a zombie does not run). */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const born = process.platform === 'linux' ? await bornOnLinux(pid) : await bornElsewhere(pid);
  return born === undefined ? undefined : { pid, born };
}

/** Whether that very process still runs, and not another one that was given its pid. */
export async function stillRuns(identity: ProcessIdentity): Promise<boolean> {
  return (await identityOf(identity.pid))?.born === identity.born;
}

let own: Promise<ProcessIdentity> | undefined;

export function ownIdentity(): Promise<ProcessIdentity> {
  own ??= identityOf(process.pid).then((identity) => identity ?? { pid: process.pid, born: '' });
  return own;
}

let bootId: Promise<string> | undefined;

async function bornOnLinux(pid: number): Promise<string | undefined> {
  bootId ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => 'unknown-boot',
  );
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name, in parentheses, may hold spaces and parentheses itself. See proc(5): state is field 3, start time field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return `${await bootId}/${fields[19]}`;
}

async function bornElsewhere(pid: number): Promise<string | undefined> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  // Windows has no ps: there a pid given out again is taken for the process that had it.
  if (process.platform === 'win32') return 'unknown';
  const shown = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]).catch(
    () => undefined,
  );
  const [state, ...lstart] = (shown?.stdout ?? '').trim().split(/\s+/);
  return !state || state.startsWith('Z') ? undefined : lstart.join(' ');
}
