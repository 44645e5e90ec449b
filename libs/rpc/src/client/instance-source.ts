/**
 * Port: where the replicas of a service are. Promises: the listener is told the present addresses as soon as they are known
 * and after each change, never from within `subscribe` and never after the function it returned was called.
 */
export interface InstanceSource {
  /** @param listener told all addresses, `host:port`, each time; none means that nobody is there */
  subscribe(listener: (addresses: readonly string[]) => void): () => void;
}

/** Replicas that are always the same. */
export function staticInstances(addresses: readonly string[]): InstanceSource {
  return {
    subscribe: (listener) => {
      let wanted = true;
      queueMicrotask(() => wanted && listener(addresses));
      return () => (wanted = false);
    },
  };
}
