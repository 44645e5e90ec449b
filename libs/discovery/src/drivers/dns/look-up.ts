import { Resolver } from 'node:dns/promises';
import { Deadline } from '@rookery/kernel';
import { isAddress } from '../../check-instance.js';
import type { Instance } from '../../registry.js';

/** Where DNS has the replicas of a service. */
export type DnsName =
  /** Addresses (A) of a name; the port is known. A headless service of Kubernetes, for one. */
  | { readonly a: string; readonly port: number }
  /** Names and ports (SRV), e.g. `_http._tcp.conduit.internal`. */
  | { readonly srv: string };

/** What DNS says when there is nobody: an answer, not a failure. */
const NOBODY = new Set(['ENOTFOUND', 'ENODATA']);
/** More is a mistake of somebody's zone, and would fill a load balancer. */
const MOST_INSTANCES = 256;

/** Asks name servers, each time anew; never the system's cache. */
export class DnsLookUp {
  constructor(
    private readonly servers: readonly string[] | undefined,
    private readonly timeoutMs: number,
  ) {}

  /** @throws what node:dns says, but for a name that has no such records: `[]` */
  async find(service: string, name: DnsName): Promise<readonly Instance[]> {
    const resolver = new Resolver({ timeout: Math.max(100, Math.floor(this.timeoutMs / 2)), tries: 2 });
    if (this.servers !== undefined) resolver.setServers(this.servers);
    const asked = 'a' in name ? addresses(resolver, name) : targets(resolver, name);
    try {
      const found = await Deadline.after(this.timeoutMs).race(asked, 'asking DNS');
      // A zone may hold anything; a load balancer's file may not.
      const unique = [...new Set(found.filter(isAddress))].sort().slice(0, MOST_INSTANCES);
      return unique.map((address): Instance => ({ service, id: address, address, state: 'up' }));
    } catch (error) {
      if (NOBODY.has((error as NodeJS.ErrnoException).code ?? '')) return [];
      throw error;
    } finally {
      resolver.cancel();
      // Cancelled late, when the time was over: nobody waits for it any more.
      asked.catch(() => undefined);
    }
  }
}

async function addresses(resolver: Resolver, name: { a: string; port: number }): Promise<string[]> {
  return (await resolver.resolve4(name.a)).map((host) => `${host}:${name.port}`);
}

/** Those of the best priority: the others are for when those are gone (RFC 2782). Weights are left to the balancer. */
async function targets(resolver: Resolver, name: { srv: string }): Promise<string[]> {
  const records = await resolver.resolveSrv(name.srv);
  const best = Math.min(...records.map(({ priority }) => priority));
  return records
    .filter(({ priority }) => priority === best)
    .map((record) => `${record.name.replace(/\.$/, '')}:${record.port}`);
}
