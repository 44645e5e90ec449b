import { isIP } from 'node:net';
import { isAddress } from '../../check-instance.js';
import { discoveryErrors } from '../../discovery.errors.js';
import { samePeers, type Balancer, type Peer } from '../balancer.js';
import { askHaproxy } from './runtime-socket.js';
import { planSlots, slotsIn, type Slot } from './slots.js';

export interface HaproxyOptions {
  /** The backend. */
  readonly service: string;
  /** Path of the runtime socket, with the level `admin`. */
  readonly socket: string;
}

/**
 * A HAProxy of this machine, by its runtime socket: replicas come into slots that its configuration has, without a reload.
 * What it was told is gone when it is restarted, so it is asked again and again. Addresses must be of IP.
 */
export class HaproxyBalancer implements Balancer {
  readonly name = 'haproxy';

  constructor(private readonly options: HaproxyOptions) {}

  async current(): Promise<readonly Peer[] | undefined> {
    const slots = await this.slots();
    return slots
      .filter(({ state }) => state !== 'maint')
      .map(({ address, state }) => ({ id: address, address, draining: state === 'drain' }));
  }

  /** What it says of itself is what it does. */
  async inForce(): Promise<boolean> {
    return true;
  }

  async apply(peers: readonly Peer[]): Promise<void> {
    const { service, socket } = this.options;
    for (const { address } of peers) checkAddress(address);
    const slots = await this.slots();
    const changes = planSlots(slots, peers);
    if (changes === undefined)
      throw discoveryErrors.create('EDGE_TOO_MANY', {
        data: { balancer: 'haproxy', count: peers.length, slots: slots.length },
      });
    const said: string[] = [];
    // Who comes, first: there is never a moment without anybody.
    for (const change of [...changes].sort((one, other) => rank(one) - rank(other)))
      said.push(await askHaproxy(socket, commandsFor(service, change, slots)));
    const current = await this.current();
    if (!samePeers(current ?? [], peers)) throw refused(said.join(' ').trim() || 'it says nothing of why');
  }

  private async slots(): Promise<readonly Slot[]> {
    const { service, socket } = this.options;
    const answer = await askHaproxy(socket, [`show servers state ${service}`]);
    const slots = slotsIn(answer, service);
    if (slots.length === 0) throw refused(answer.trim() || `it has no slots in ${service}`);
    return slots;
  }
}

function rank({ state }: Slot): number {
  return ['ready', 'drain', 'maint'].indexOf(state);
}

function commandsFor(service: string, { name, address, state }: Slot, slots: readonly Slot[]): string[] {
  const set = `set server ${service}/${name}`;
  const before = slots.find((slot) => slot.name === name)!;
  if (before.address === address) return [`${set} state ${state}`];
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  return [`${set} state maint`, `${set} addr ${host} port ${address.slice(at + 1)}`, `${set} state ${state}`];
}

/** A name would have to be resolved, and by whom? */
function checkAddress(address: string): void {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  if (!isAddress(address) || isIP(host) === 0) throw refused(`'${address}' is no address of IP`);
}

function refused(reason: string): Error {
  return discoveryErrors.create('EDGE_REFUSED', { data: { balancer: 'haproxy', reason } });
}
