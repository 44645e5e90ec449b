import { readFile } from 'node:fs/promises';
import {
  discoveryErrors,
  DnsRegistry,
  EtcdRegistry,
  StaticRegistry,
  type DnsName,
  type EtcdTls,
  type Registry,
  type RegistryOptions,
} from '@rookery/discovery';
import type { CliFlag } from '../cli.options.js';
import { UsageFault } from '../usage-fault.js';

export const registryFlags: readonly CliFlag[] = [
  { flags: '--registry <driver>', summary: 'who says which replicas there are: etcd, dns or static (etcd)' },
  { flags: '--etcd <endpoints>', summary: 'etcd: host:port of its members, by commas' },
  { flags: '--etcd-prefix <path>', summary: "etcd: what the site's keys lie under (/rookery)" },
  { flags: '--etcd-ca <file>', summary: 'etcd by TLS: the authority, in PEM' },
  { flags: '--etcd-cert <file>', summary: 'etcd by TLS: the certificate of this client, in PEM' },
  { flags: '--etcd-key <file>', summary: 'etcd by TLS: its key' },
  { flags: '--dns <name>', summary: 'dns: _http._tcp.conduit.internal (SRV), or conduit.internal:3000 (A)' },
  { flags: '--replicas <addresses>', summary: 'static: host:port of each, by commas' },
];

type Flags = Readonly<Record<string, unknown>>;

/** Flags that belong to one driver, by their names in `flags`. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  etcd: ['etcd', 'etcdPrefix', 'etcdCa', 'etcdCert', 'etcdKey'],
  dns: ['dns'],
  static: ['replicas'],
};

/**
 * The registry that the flags name.
 * @throws UsageFault; RK_DISCOVERY_BAD_OPTIONS, RK_DISCOVERY_BAD_INSTANCE
 */
export async function registryOf(flags: Flags, service: string, told: RegistryOptions): Promise<Registry> {
  const driver = text(flags, 'registry') ?? 'etcd';
  const own = OWN[driver];
  if (own === undefined) throw new UsageFault(`--registry takes etcd, dns or static, not '${driver}'`);
  const foreign = Object.values(OWN)
    .flat()
    .find((name) => !own.includes(name) && text(flags, name) !== undefined);
  if (foreign !== undefined) throw new UsageFault(`--${dashed(foreign)} is not for --registry ${driver}`);
  if (driver === 'etcd') {
    const endpoints = listOf(text(flags, 'etcd'));
    if (endpoints.length === 0) throw new UsageFault('say where etcd is: --etcd <endpoints>');
    const prefix = text(flags, 'etcdPrefix');
    const tls = await tlsOf(flags);
    return new EtcdRegistry({ ...told, endpoints, ...(prefix && { prefix }), ...(tls && { tls }) });
  }
  if (driver === 'dns') {
    const name = text(flags, 'dns');
    if (name === undefined) throw new UsageFault('say which name DNS has: --dns <name>');
    return new DnsRegistry({ ...told, services: { [service]: dnsName(name) } });
  }
  const addresses = listOf(text(flags, 'replicas'));
  if (addresses.length === 0) throw new UsageFault('say who is there: --replicas <addresses>');
  return new StaticRegistry(
    addresses.map((address) => ({ service, id: address, address, state: 'up' })),
    told,
  );
}

function dnsName(name: string): DnsName {
  const [, host, port] = /^(.+):(\d+)$/.exec(name) ?? [];
  return host === undefined ? { srv: name } : { a: host, port: Number(port) };
}

async function tlsOf(flags: Flags): Promise<EtcdTls | undefined> {
  const files = { ca: text(flags, 'etcdCa'), cert: text(flags, 'etcdCert'), key: text(flags, 'etcdKey') };
  if ((files.cert === undefined) !== (files.key === undefined))
    throw new UsageFault('--etcd-cert and --etcd-key belong together');
  const given = Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (given.length === 0) return undefined;
  const read = given.map(async ([name, file]): Promise<[string, Buffer]> => [name, await contentOf(file)]);
  return Object.fromEntries(await Promise.all(read));
}

function contentOf(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: Error) => {
    throw discoveryErrors.create('BAD_OPTIONS', { data: { reason: cause.message }, cause });
  });
}

function text(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function listOf(given: string | undefined): string[] {
  return (given ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
