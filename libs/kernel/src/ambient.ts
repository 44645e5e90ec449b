import { AsyncLocalStorage } from 'node:async_hooks';

/** The values of all ambients, by number. Never changed: who sets one makes another list. */
type Values = readonly unknown[];

const storage = new AsyncLocalStorage<Values>();
let made = 0;

/**
 * A value that all code called from some work sees, awaited or not. All ambients of a process share one AsyncLocalStorage:
 * before Node 24 each one in use is copied to every promise, tick and message of the process, also where nobody reads it.
 * To be made once, with the module.
 */
export class Ambient<T> {
  private readonly index = made++;

  /** The value of the innermost work under way; `undefined` outside all. */
  get(): T | undefined {
    return storage.getStore()?.[this.index] as T | undefined;
  }

  /** Runs `work` with `value` in place of what there was; the other ambients stay as they are. */
  run<R>(value: T, work: () => R): R {
    const values = storage.getStore()?.slice() ?? [];
    for (let i = values.length; i < this.index; i += 1) values.push(undefined);
    values[this.index] = value;
    return storage.run(values, work);
  }
}
