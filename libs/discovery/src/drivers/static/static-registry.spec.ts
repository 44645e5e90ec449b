import { discoveryErrors } from '../../discovery.errors.js';
import type { Instance } from '../../registry.js';
import { registryContract, replica } from '../../testing/registry-contract.js';
import { StaticRegistry } from './static-registry.js';

registryContract('static', async () => {
  const open: StaticRegistry[] = [];
  const lists = new Map<string, readonly Instance[]>();
  const all = (): Instance[] => [...lists.values()].flat();
  return {
    open: (options) => {
      const registry = new StaticRegistry(all(), options);
      open.push(registry);
      return registry;
    },
    set: async (service, instances) => {
      lists.set(service, instances);
      for (const registry of open) registry.replace(all());
    },
    close: async () => undefined,
  };
});

describe('a static list', () => {
  it('is refused where a replica stands in it twice, or could end a line of a configuration', () => {
    const one = replica('shop', 1);
    expect(() => new StaticRegistry([one, one])).toThrow(
      expect.objectContaining({ code: discoveryErrors.codes.BAD_OPTIONS }),
    );
    for (const address of ['127.0.0.1', '127.0.0.1:0', '127.0.0.1:70000', 'a;b:80', 'a b:80', '[::1]:80\n'])
      expect(() => new StaticRegistry([{ ...one, address }])).toThrow(
        expect.objectContaining({ code: discoveryErrors.codes.BAD_INSTANCE }),
      );
    expect(() => new StaticRegistry([{ ...one, address: '[::1]:80' }])).not.toThrow();
  });
});
