import type { Peer } from '../balancer.js';

export type SlotState = 'ready' | 'drain' | 'maint';

/** A server of HAProxy's configuration, which replicas come into and leave. */
export interface Slot {
  readonly name: string;
  readonly address: string;
  readonly state: SlotState;
}

/** Set by `disabled` in the configuration, too, beside a bit that only remembers that and stays. */
const FORCED_MAINTENANCE = 0x01;
const FORCED_DRAIN = 0x08;

/** What `show servers state` says of a backend (management guide 2.6, 9.3). */
export function slotsIn(answer: string, backend: string): readonly Slot[] {
  const lines = answer.split('\n').filter((line) => line.trim() !== '');
  const names =
    lines
      .find((line) => line.startsWith('# '))
      ?.slice(2)
      .split(' ') ?? [];
  return lines.flatMap((line) => {
    const row = Object.fromEntries(line.split(' ').map((value, at) => [names[at] ?? '', value]));
    if (row['be_name'] !== backend || line.startsWith('#')) return [];
    const admin = Number(row['srv_admin_state']);
    const away = (admin & FORCED_MAINTENANCE) !== 0;
    const state = away ? 'maint' : (admin & FORCED_DRAIN) !== 0 ? 'drain' : 'ready';
    return [{ name: row['srv_name']!, address: `${row['srv_addr']}:${row['srv_port']}`, state }];
  });
}

/**
 * The slots that have to change. Whoever has a slot keeps it; who comes gets a free one, one never used if there is, since
 * the last occupant may have requests under way there. `undefined`: there are too few.
 */
export function planSlots(slots: readonly Slot[], peers: readonly Peer[]): readonly Slot[] | undefined {
  // Processes that share a port have an address in common, and a slot each.
  const wanted = [...peers];
  const take = ({ address, state }: Slot, as: SlotState | 'any'): Peer | undefined => {
    if (state === 'maint') return undefined;
    const at = wanted.findIndex((peer) => peer.address === address && (as === 'any' || stateOf(peer) === as));
    return at < 0 ? undefined : wanted.splice(at, 1)[0];
  };
  const changes: Slot[] = [];
  const free: Slot[] = [];
  for (const slot of slots.filter((each) => take(each, each.state) === undefined)) {
    const peer = take(slot, 'any');
    if (peer === undefined) free.push(slot);
    else changes.push({ ...slot, state: stateOf(peer) });
  }
  const order = (slot: Slot): number => (slot.state === 'maint' ? 0 : 1);
  free.sort((one, other) => order(one) - order(other));
  for (const peer of wanted) {
    const slot = free.shift();
    if (slot === undefined) return undefined;
    changes.push({ name: slot.name, address: peer.address, state: stateOf(peer) });
  }
  for (const slot of free) if (slot.state !== 'maint') changes.push({ ...slot, state: 'maint' });
  return changes;
}

function stateOf({ draining }: Peer): SlotState {
  return draining ? 'drain' : 'ready';
}
