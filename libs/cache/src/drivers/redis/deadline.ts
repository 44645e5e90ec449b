import { cacheErrors } from '../../cache.errors.js';

/**
 * Waits for an answer of Redis, for so long. node-redis has a timeout of its own for commands that are not sent yet only: a
 * server that is frozen has taken them.
 * @throws RK_CACHE_REDIS_AWAY when it is late
 */
export function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const refuse = () => reject(away(`nothing came for ${limitMs} ms`));
    // A process that was busy meanwhile looks at its sockets first: the answer may lie there.
    const timer = setTimeout(() => setImmediate(refuse), limitMs);
    answer.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

export function away(reason: string, cause?: unknown): Error {
  return cacheErrors.create('REDIS_AWAY', { data: { reason }, cause });
}
