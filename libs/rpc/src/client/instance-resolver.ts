import { experimental, Metadata, status as Status } from '@grpc/grpc-js';
import type { InstanceSource } from './instance-source.js';

const SCHEME = 'rookery';

/** All replicas take turns; those that cannot be reached are passed over until they can be. */
const SERVICE_CONFIG = { loadBalancingConfig: [{ round_robin: {} }], methodConfig: [] };

interface Entry {
  readonly service: string;
  readonly source: InstanceSource;
}

/** By the path of the target: resolvers of grpc-js are made by it, from a name. */
const sources = new Map<string, Entry>();
let count = 0;
let registered = false;

/** The target of a channel over a source, good until `release` is called. */
export function targetOf(service: string, source: InstanceSource): { target: string; release: () => void } {
  if (!registered) experimental.registerResolver(SCHEME, InstanceResolver);
  registered = true;
  count += 1;
  const path = `${service}/${count}`;
  sources.set(path, { service, source });
  return { target: `${SCHEME}:///${path}`, release: () => void sources.delete(path) };
}

/** Name resolution of grpc-js out of an `InstanceSource`: it is told each change, and asks for none. */
class InstanceResolver implements experimental.Resolver {
  private readonly entry: Entry | undefined;
  private unsubscribe: (() => void) | undefined;
  private known: readonly string[] | undefined;

  constructor(
    target: experimental.GrpcUri,
    private readonly listener: experimental.ResolverListener,
  ) {
    this.entry = sources.get(target.path);
  }

  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return sources.get(path)?.service ?? path;
  }

  updateResolution(): void {
    // Asked again at each connection that fails: there is nothing newer than what was told, and to tell it again would have
    // the connection fail again at once.
    if (this.unsubscribe) return;
    this.unsubscribe = this.entry?.source.subscribe((addresses) => {
      this.known = addresses;
      this.tell();
    });
  }

  destroy(): void {
    this.unsubscribe?.();
    this.unsubscribe = undefined;
    this.known = undefined;
  }

  private tell(): void {
    if (!this.unsubscribe || !this.known) return;
    const endpoints = this.known.flatMap((address) => {
      const parts = experimental.splitHostPort(address);
      return parts?.port === undefined ? [] : [{ addresses: [{ host: parts.host, port: parts.port }] }];
    });
    const found =
      endpoints.length > 0
        ? experimental.statusOrFromValue(endpoints)
        : experimental.statusOrFromError<experimental.Endpoint[]>({
            code: Status.UNAVAILABLE,
            details: `no replica of ${this.entry?.service} is known`,
            metadata: new Metadata(),
          });
    this.listener(found, {}, experimental.statusOrFromValue(SERVICE_CONFIG), '');
  }
}
