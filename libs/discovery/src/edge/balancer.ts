import type { Instance } from '../registry.js';

/** A replica as a load balancer sees it. */
export interface Peer {
  readonly id: string;
  /** `host:port` */
  readonly address: string;
  /** It gets nothing new, and finishes what it has. */
  readonly draining: boolean;
}

/**
 * Port: a load balancer whose upstreams are kept in step.
 *
 * Promises: `apply` resolves when the balancer routes by `peers` and by nothing older; requests under way are not touched.
 * If it rejects, the balancer goes on with what it had, or will take the new peers a little later; never with something in
 * between that it would refuse. It is not called with peers of whom none takes traffic.
 */
export interface Balancer {
  readonly name: string;
  /** What it was told last, even by another agent before this one; `undefined` where that cannot be known. */
  current(): Promise<readonly Peer[] | undefined>;
  /** Whether it is certain that the balancer runs by what `current` says. */
  inForce(): Promise<boolean>;
  /** @throws RK_DISCOVERY_EDGE_REFUSED, RK_DISCOVERY_EDGE_AWAY, RK_DISCOVERY_EDGE_NO_EFFECT, RK_DISCOVERY_EDGE_TOO_MANY */
  apply(peers: readonly Peer[], signal: AbortSignal): Promise<void>;
}

export function peersOf(instances: readonly Instance[]): readonly Peer[] {
  return instances.map(({ id, address, state }) => ({ id, address, draining: state === 'draining' }));
}

/** In whatever order, and whatever they are called: the same to a balancer. */
export function samePeers(one: readonly Peer[], other: readonly Peer[]): boolean {
  const said = (peers: readonly Peer[]): string =>
    peers
      .map(({ address, draining }) => `${address} ${draining}`)
      .sort()
      .join();
  return said(one) === said(other);
}
