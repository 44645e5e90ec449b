import type { Instance, Registry } from '@rookery/discovery';
import type { InstanceSource } from './instance-source.js';

/** Key of an instance's metadata that tells where it is called by gRPC, where that is not its address. */
export const GRPC_ADDRESS = 'grpc';

/**
 * Replicas as the registry knows them. Those that drain are given nothing new, unless nobody else is there.
 * @param addressOf @default the metadata's `grpc`, or the address
 */
export function registeredInstances(
  registry: Pick<Registry, 'watch'>,
  service: string,
  addressOf: (instance: Instance) => string | undefined = ({ metadata, address }) =>
    metadata?.[GRPC_ADDRESS] ?? address,
): InstanceSource {
  return {
    subscribe: (listener) => {
      const watch = registry.watch(service, ({ instances }) => {
        const up = instances.filter(({ state }) => state === 'up');
        const addresses = (up.length > 0 ? up : instances).map(addressOf);
        listener(addresses.filter((address) => address !== undefined));
      });
      return () => watch.stop();
    },
  };
}
