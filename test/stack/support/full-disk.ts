import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * From now on each write of a process that makes a file longer fails, by the limit that Linux sets on the length of files
 * (RLIMIT_FSIZE). A real disk that is full takes a mount, and so root; a broker ends in the same way by both: all its
 * folders of logs have failed, exit code 1. What is started later has no such limit. @throws where there is no `prlimit` (of
 * util-linux)
 */
export async function fillDiskOf(pid: number): Promise<void> {
  await promisify(execFile)('prlimit', [`--pid=${pid}`, '--fsize=1:']);
}
