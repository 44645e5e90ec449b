import { defineErrors } from '@rookery/kernel';

export const cacheErrors = defineErrors('CACHE', {
  BAD_OPTIONS: { status: 500, message: 'the cache cannot be configured so: {reason}' },
  BAD_READ: { status: 500, message: 'the entry {key} cannot be read so: {reason}' },
  BAD_ROUTE: { status: 500, message: 'the answers of {route} cannot be cached: {reason}' },
  NOT_SERIALIZABLE: { status: 500, message: 'what was loaded for {key} cannot be kept as bytes: {reason}' },
  OVERLOADED: {
    status: 503,
    retryable: true,
    message: '{running} loads are running and {waiting} wait for their turn',
  },
  LOAD_TIMEOUT: {
    status: 504,
    retryable: true,
    message: 'the load of an entry took longer than {limitMs} ms',
  },
  REDIS_AWAY: { status: 503, retryable: true, message: 'Redis does not answer: {reason}' },
});
