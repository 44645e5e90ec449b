import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds per clock tick of /proc; 0 where there is no /proc, and CPU of other processes is not told. */
const TICK_MS = tick();

function tick(): number {
  if (process.platform !== 'linux') return 0;
  return 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
}

/** CPU time a process has used, in milliseconds. */
export function cpuOf(pid: number): number {
  return TICK_MS === 0 ? 0 : ticksOf(pid) * TICK_MS;
}

/** CPU time of a server and all its children, dead ones included as far as the server has taken note of them. */
export function cpuOfTree(root: number): number {
  if (TICK_MS === 0) return 0;
  let ticks = ticksOf(root, true);
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (Number.isInteger(pid) && fieldsOf(pid)?.[1] === String(root)) ticks += ticksOf(pid, true);
  }
  return ticks * TICK_MS;
}

/** CPU time that all processors of this machine have spent on anything since it started, in milliseconds; 0 without /proc. */
export function cpuOfMachine(): number {
  if (TICK_MS === 0) return 0;
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user! + nice! + system! + irq! + softirq! + steal!) * TICK_MS;
}

/** Resident memory of a process in MiB. */
export function residentOf(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? NaN) / 1024;
}

/** Fields of /proc/<pid>/stat behind the name, which may itself hold blanks: [state, ppid, …]. */
function fieldsOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    // It ended between the listing and the look.
    if (
      (error as NodeJS.ErrnoException).code === 'ENOENT' ||
      (error as NodeJS.ErrnoException).code === 'ESRCH'
    ) {
      return undefined;
    }
    throw error;
  }
}

function ticksOf(pid: number, withChildren = false): number {
  const fields = fieldsOf(pid);
  if (!fields) return 0;
  const own = Number(fields[11]) + Number(fields[12]);
  return withChildren ? own + Number(fields[13]) + Number(fields[14]) : own;
}
