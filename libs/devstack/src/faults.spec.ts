import { devstackErrors } from './devstack.errors.js';
import { classifyOutput, fileFault, lastComplaint } from './faults.js';

const fault = (code: string) => Object.assign(new Error(`${code}: refused`), { code });

describe('what a fault means', () => {
  it.each(['EACCES', 'EROFS', 'ENOTDIR', 'ENOENT'])('%s: the data folder is not writable', (code) => {
    expect(devstackErrors.is(fileFault(fault(code), '.rookery'), 'DATA_DIR_NOT_WRITABLE')).toBe(true);
  });

  it.each(['ENOSPC', 'EDQUOT'])('%s: the disk is full', (code) => {
    expect(devstackErrors.is(fileFault(fault(code), '.rookery'), 'NO_SPACE')).toBe(true);
  });

  it('leaves coded errors and faults of the program alone', () => {
    const coded = devstackErrors.create('BAD_OPTIONS', { data: { reason: 'x' } });
    const bug = new TypeError('not a function');
    expect(fileFault(coded, '.rookery')).toBe(coded);
    expect(fileFault(bug, '.rookery')).toBe(bug);
  });

  it.each([
    ['no-space', 'FATAL:  could not write to file "pg_wal/xlogtemp.41": No space left on device'],
    ['no-space', 'initdb: error: could not write file "/x/postgresql.conf": No space left on device'],
    ['other', 'FATAL:  could not create semaphores: No space left on device'],
    ['port-taken', 'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use'],
    ['still-attached', 'FATAL:  pre-existing shared memory block (key 5432001, ID 0) is still in use'],
    ['still-attached', 'FATAL:  lock file "postmaster.pid" already exists'],
    ['wrong-version', 'FATAL:  database files are incompatible with server'],
    ['other', 'FATAL:  the dog ate it'],
  ])('%s: %s', (kind, output) => {
    expect(classifyOutput(`LOG:  starting\n${output}\nLOG:  database system is shut down`)).toBe(kind);
  });

  it('quotes the line that says why, without its date', () => {
    expect(
      lastComplaint(
        '2026-11-22 10:00:00.000 UTC [7] LOG:  starting\n2026-11-22 10:00:00.001 UTC [7] FATAL:  bad setting\n2026-11-22 10:00:00.002 UTC [7] LOG:  shut down',
      ),
    ).toBe('FATAL:  bad setting');
    expect(lastComplaint('\n')).toBe('it said nothing');
  });
});
