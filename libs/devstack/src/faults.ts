import { CodedError } from '@rookery/kernel';
import { devstackErrors } from './devstack.errors.js';

const NOT_WRITABLE = new Set([
  'EACCES',
  'ENOENT',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'ELOOP',
  'ENAMETOOLONG',
  'EISDIR',
]);

/** What a failure of the file system under the data folder means to the person who started us; others stay as they are. */
export function fileFault(error: unknown, dataDir: string): unknown {
  if (error instanceof CodedError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return devstackErrors.create('NO_SPACE', { data: { dataDir }, cause: error });
  }
  if (code !== undefined && NOT_WRITABLE.has(code)) {
    return devstackErrors.create('DATA_DIR_NOT_WRITABLE', {
      data: { dataDir, reason: message },
      cause: error,
    });
  }
  return error;
}

export type OutputFault = 'no-space' | 'port-taken' | 'still-attached' | 'wrong-version' | 'other';

/** Why PostgreSQL gave up, from what it said (with `LC_MESSAGES=C`). */
export function classifyOutput(output: string): OutputFault {
  // Semaphores and shared memory run out with the same words as disks do; that is no matter of the disk.
  const disk = output.split('\n').filter((line) => !/semaphore|shared memory/i.test(line));
  if (disk.some((line) => /No space left on device|Disk quota exceeded/.test(line))) return 'no-space';
  if (/could not bind|could not create any TCP\/IP sockets/.test(output)) return 'port-taken';
  if (/pre-existing shared memory block|lock file "[^"]+" already exists/.test(output))
    return 'still-attached';
  if (/database files are incompatible with server/.test(output)) return 'wrong-version';
  return 'other';
}

/** The line that says most: the last FATAL, PANIC or error, else the last one at all. */
export function lastComplaint(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const complaint = lines.filter((line) => /(FATAL|PANIC|ERROR|error):/i.test(line)).at(-1) ?? lines.at(-1);
  return complaint?.replace(/^\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] /, '') ?? 'it said nothing';
}
