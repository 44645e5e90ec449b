import { faultOf } from '../../check-instance.js';
import type { Instance } from '../../registry.js';
import type { KeyValue } from './etcd-api.js';

/** `<prefix>/<service>/<id>`. A service's name has no slash, so one service's keys are no other's. */
export function keyOf(prefix: string, { service, id }: Pick<Instance, 'service' | 'id'>): Buffer {
  return Buffer.from(`${prefix}/${service}/${id}`);
}

/** All keys of a service: from this one to before that one. */
export function rangeOf(prefix: string, service: string): { key: Buffer; range_end: Buffer } {
  // '0' is what follows '/'.
  return { key: Buffer.from(`${prefix}/${service}/`), range_end: Buffer.from(`${prefix}/${service}0`) };
}

/** What the key says already is not said again. */
export function valueOf({ address, opsAddress, version, metadata, state }: Instance): Buffer {
  return Buffer.from(JSON.stringify({ address, opsAddress, version, metadata, state }));
}

/** `undefined` where somebody has written what is no instance: it must not reach a load balancer. */
export function instanceIn(prefix: string, service: string, { key, value }: KeyValue): Instance | undefined {
  try {
    const { address, opsAddress, version, metadata, state } = JSON.parse(value.toString()) as Instance;
    const id = key.toString().slice(`${prefix}/${service}/`.length);
    const instance = { service, id, address, opsAddress, version, metadata, state };
    return faultOf(instance) === undefined ? instance : undefined;
  } catch {
    return undefined;
  }
}
