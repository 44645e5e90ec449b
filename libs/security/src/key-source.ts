import type { HealthProbe } from '@rookery/kernel';
import type { KeySet } from './key-set.js';

/**
 * Port: where the keys of the moment come from. An abstract class, so that it is also the token it is injected by.
 * Promises: `current` answers at once and never fails; a set that cannot be used never becomes current.
 */
export abstract class KeySource {
  abstract current(): KeySet;

  /**
   * Looks again, because a token named a key that is not known: another replica may have seen a rotation first. Bounded
   * in rate by the source, and silent on failure.
   */
  abstract refresh(): Promise<void>;

  /** Begins and ends watching; both may be called twice. */
  abstract start(): void;
  abstract stop(): Promise<void>;

  /** `degraded` while the latest keys cannot be used and older ones are kept. */
  abstract readonly health: HealthProbe;
}

/** Keys that stay as they are while the replica runs. */
export class FixedKeys extends KeySource {
  readonly health: HealthProbe = {
    name: 'keys',
    critical: false,
    check: () =>
      Promise.resolve({ status: 'up', details: { signing: this.keys.signing.kid, kids: this.keys.kids } }),
  };

  constructor(private readonly keys: KeySet) {
    super();
  }

  current(): KeySet {
    return this.keys;
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  start(): void {
    // Nothing to watch.
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
