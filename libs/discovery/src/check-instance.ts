import { discoveryErrors } from './discovery.errors.js';
import type { Instance } from './registry.js';

const SERVICE = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
/** Nothing that could end a line or a directive in the file of a load balancer. */
const ADDRESS = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9a-fA-F:.]{2,45}\]):(\d{1,5})$/;
const MOST_METADATA = 32;
const LONGEST_TEXT = 512;

/** What is wrong with it; `undefined` if nothing is. */
export function faultOf(instance: Instance): string | undefined {
  const { service, id, address, opsAddress, version, metadata = {}, state } = instance;
  if (!isServiceName(service)) return 'its service is no name';
  if (typeof id !== 'string' || !ID.test(id)) return 'its id is no name';
  if (!isAddress(address)) return 'its address is no host:port';
  if (opsAddress !== undefined && !isAddress(opsAddress)) return 'its address of operations is no host:port';
  if (version !== undefined && !isShort(version)) return 'its version is no short text';
  if (state !== 'up' && state !== 'draining') return 'its state is neither up nor draining';
  if (metadata === null || typeof metadata !== 'object') return 'its metadata are no texts';
  const texts = Object.entries(metadata).flat();
  if (texts.length > 2 * MOST_METADATA || !texts.every(isShort))
    return 'its metadata are too large, or no texts';
  return undefined;
}

/** @throws RK_DISCOVERY_BAD_INSTANCE */
export function checkInstance(instance: Instance): Instance {
  const reason = faultOf(instance);
  const { service, id } = instance;
  if (reason !== undefined) throw discoveryErrors.create('BAD_INSTANCE', { data: { service, id, reason } });
  return instance;
}

export function isServiceName(name: unknown): boolean {
  return typeof name === 'string' && SERVICE.test(name);
}

/** `host:port`, with a port from 1 to 65535. */
export function isAddress(address: unknown): boolean {
  const port = typeof address === 'string' ? Number(ADDRESS.exec(address)?.[1]) : 0;
  return port >= 1 && port <= 65_535;
}

function isShort(text: unknown): boolean {
  return typeof text === 'string' && text.length <= LONGEST_TEXT;
}
