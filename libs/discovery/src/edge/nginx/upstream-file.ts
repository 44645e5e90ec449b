import { isAddress } from '../../check-instance.js';
import { discoveryErrors } from '../../discovery.errors.js';
import type { Peer } from '../balancer.js';

export interface UpstreamSettings {
  /** Idle connections to replicas that each worker keeps. @default 64 */
  readonly keepAlive?: number;
  /** Failures within, and time out of use after them, as Nginx writes them. @default 2 and '2s' */
  readonly maxFails?: number;
  readonly failTimeout?: string;
}

const HEAD = '# Written by the edge agent from the registry; what is changed here by hand will be lost.';
const SERVER = /^ {4}server (\S+) (.*);(?: # (\S+))?$/gm;
const BACKUP = 'max_fails=0 backup';
const SAFE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * The file that Nginx includes. Everybody in it is a backup as well, which is never out of use: where all are too slow for a
 * while, requests go on to be sent, and do not fail at once, all of them, until `failTimeout` is over. @throws RK_DISCOVERY_EDGE_REFUSED for
 * an address that is none
 */
export function renderUpstream(
  service: string,
  peers: readonly Peer[],
  settings: UpstreamSettings = {},
): string {
  const { keepAlive = 64, maxFails = 2, failTimeout = '2s' } = settings;
  const servers = peers.map(({ id, address, draining }) => {
    if (!isAddress(address)) throw refused(`'${address}' is no address`);
    const how = draining ? 'down' : `max_fails=${maxFails} fail_timeout=${failTimeout}`;
    return `    server ${address} ${how};${SAFE_ID.test(id) ? ` # ${id}` : ''}`;
  });
  const serving = peers.filter(({ draining }) => !draining);
  // One that is alone is never out of use anyway.
  const backups = serving.length < 2 ? [] : serving.map(({ address }) => `    server ${address} ${BACKUP};`);
  return [
    HEAD,
    `upstream ${service} {`,
    `    zone ${service} 256k;`,
    '    least_conn;',
    ...servers,
    ...backups,
    `    keepalive ${keepAlive};`,
    // Shorter than what replicas wait for the next request: else one is sent into a connection that is being closed.
    '    keepalive_timeout 30s;',
    '}',
    '',
  ].join('\n');
}

/** The peers of such a file; `[]` where there are none. */
export function peersIn(text: string): readonly Peer[] {
  const servers = [...text.matchAll(SERVER)].filter(([, , how]) => how !== BACKUP);
  return servers.map(([, address, how, id]) => ({
    id: id ?? address!,
    address: address!,
    draining: /\bdown\b/.test(how!),
  }));
}

function refused(reason: string): Error {
  return discoveryErrors.create('EDGE_REFUSED', { data: { balancer: 'nginx', reason } });
}
