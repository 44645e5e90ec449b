import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { HealthProbe, Meter } from '@rookery/kernel';
import {
  discoveryErrors,
  HaproxyBalancer,
  NginxBalancer,
  runEdge,
  type Balancer,
  type EdgeAgent,
} from '@rookery/discovery';
import type { CliCommand } from '../cli.options.js';
import { UsageFault } from '../usage-fault.js';
import { registryFlags, registryOf } from './registry-of.js';

export interface EdgeRunDefaults {
  /** The service whose replicas are meant, where no flag says another. */
  readonly service: string;
  /** Asked when it runs: aborted when it is to stop. Whoever is asked ends the process by nothing else then. */
  readonly untilStopped: () => AbortSignal;
  /** Called where somebody wants to watch the agent. @default the command has no `--ops` */
  readonly operations?: () => EdgeOperations;
}

/** What an agent measures goes to `meter`; `serve` shows it. */
export interface EdgeOperations {
  readonly meter: Meter;
  /** Resolves when it listens. @throws where it cannot, with what to do about it */
  serve(at: OperationsAt): Promise<ServedOperations>;
}

export interface OperationsAt {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Asked at each check. */
  readonly probes: () => readonly HealthProbe[];
}

export interface ServedOperations {
  /** `http://127.0.0.1:3100` */
  readonly url: string;
  /** From now on it is not ready. */
  setStopping(): void;
  close(): Promise<void>;
}

const OPS = /^(?<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:.]+\]):(?<port>\d{1,5})$/;
const SERVICE = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** `rookery edge run`: keeps the Nginx or HAProxy of this machine in step with the registry, until it is stopped. */
export function edgeRun(defaults: EdgeRunDefaults): CliCommand<unknown> {
  return {
    path: ['edge', 'run'],
    summary: 'keep the Nginx or HAProxy of this machine in step with the registry',
    flags: [
      ...registryFlags,
      {
        flags: '--service <name>',
        summary: `whose replicas, and the name of the upstream (${defaults.service})`,
      },
      { flags: '--nginx <prefix>', summary: 'the folder of Nginx, which has its upstream.conf' },
      {
        flags: '--nginx-config <file>',
        summary: "Nginx's main file, with upstream.conf beside it (<prefix>/nginx.conf)",
      },
      { flags: '--nginx-pid <file>', summary: "where Nginx's pid stands (<prefix>/nginx.pid)" },
      { flags: '--haproxy <socket>', summary: "HAProxy's runtime socket, with the level admin" },
      ...(defaults.operations
        ? [{ flags: '--ops <host:port>', summary: 'where /metrics and /health are served (nowhere)' }]
        : []),
    ],
    help: `Runs until SIGTERM or Ctrl-C, which leave the balancer what it has. Prints a line for each thing that happens. Needs no
database, and none of the site's configuration. A balancer or a registry that is away is waited for.

  rookery edge run --etcd 10.0.0.1:2379,10.0.0.2:2379 --nginx /var/lib/conduit-edge${defaults.operations ? ' --ops 127.0.0.1:3100' : ''}
  rookery edge run --registry dns --dns _http._tcp.conduit.internal --haproxy /run/haproxy/admin.sock

${defaults.operations ? OPERATIONS_HELP : ''}Exit codes: 0 after a stop; 2 for flags that are not understood; 78 for what cannot work so (RK_DISCOVERY_…).`,
    async run({ flags, json, output, progress }) {
      const service = typeof flags['service'] === 'string' ? flags['service'] : defaults.service;
      if (!SERVICE.test(service))
        throw new UsageFault(`--service takes a name like conduit, not '${service}'`);
      // Before anything is said: whoever reads it may stop this at once.
      const signal = defaults.untilStopped();
      const print = (line: string): void => (json ? progress.say(line) : output.print(line));
      const balancer = await balancerOf(flags, service);
      const at = operationsAt(flags);
      const operations = at && defaults.operations?.();
      const measured = operations ? { meter: operations.meter } : {};
      const registry = await registryOf(flags, service, { onError: told(print), ...measured });
      let agent: EdgeAgent | undefined;
      let served: ServedOperations | undefined;
      const probes = (): HealthProbe[] => [registry.health, ...(agent ? [agent.health] : [])];
      try {
        if (operations) {
          served = await operations.serve({ ...at, probes });
          print(`operations are at ${served.url}`);
        }
        const stopping = (): void => served?.setStopping();
        if (signal.aborted) stopping();
        else signal.addEventListener('abort', stopping);
        const onStart = (started: EdgeAgent): void => void (agent = started);
        await runEdge({ registry, service, balancer, signal, print, onStart, ...measured });
      } finally {
        await registry.close();
        // Last, so that it can be watched until then.
        await served?.close();
      }
      if (json) output.json(agent?.status());
    },
  };
}

const OPERATIONS_HELP = `At --ops: /metrics (Prometheus), /health with details, /health/live, and /health/ready, which is 503 while it stops; out of step
is "degraded", since the balancer goes on serving by what it has. Nobody is asked who they are: never a public address.

`;

/** @throws UsageFault */
function operationsAt({
  ops,
}: Readonly<Record<string, unknown>>): { host: string; port: number } | undefined {
  if (typeof ops !== 'string') return undefined;
  const { host = '', port } = OPS.exec(ops)?.groups ?? {};
  if (port === undefined || Number(port) > 65_535)
    throw new UsageFault(`--ops takes host:port like 127.0.0.1:3100, not '${ops}'`);
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** @throws UsageFault, RK_DISCOVERY_EDGE_OPTIONS */
async function balancerOf(flags: Readonly<Record<string, unknown>>, service: string): Promise<Balancer> {
  const { nginx, nginxConfig, nginxPid, haproxy } = flags as Readonly<Record<string, string | undefined>>;
  if ((nginx === undefined) === (haproxy === undefined))
    throw new UsageFault('say which balancer: --nginx <prefix> or --haproxy <socket>');
  if (haproxy !== undefined) {
    if (nginxConfig !== undefined || nginxPid !== undefined)
      throw new UsageFault('--nginx-config and --nginx-pid are not for --haproxy');
    return new HaproxyBalancer({ service, socket: haproxy });
  }
  const config = nginxConfig ?? join(nginx!, 'nginx.conf');
  // Nginx may come later; its configuration is there before it, or it is the wrong folder.
  await access(config).catch((cause: Error) => {
    const reason = `${config} cannot be read: \`rookery edge render\` writes one (${cause.message})`;
    throw discoveryErrors.create('EDGE_OPTIONS', { data: { reason }, cause });
  });
  return new NginxBalancer({ service, prefix: nginx!, config, ...(nginxPid && { pidFile: nginxPid }) });
}

/** What goes wrong at each try is said once, until it is something else. */
function told(print: (line: string) => void): (error: unknown) => void {
  let last = '';
  return (error) => {
    const line = error instanceof Error ? error.message : String(error);
    if (line !== last) print(line);
    last = line;
  };
}
