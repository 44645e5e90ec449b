import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHaproxy, startNginx, type Proxy } from '@rookery/devstack/servers';
import {
  EdgeAgent,
  HaproxyBalancer,
  NginxBalancer,
  renderTemplates,
  renderUpstream,
  type Balancer,
  type EdgeStatus,
  type Instance,
  type Registry,
  type TemplateValues,
} from '@rookery/discovery';
import type { Meter } from '@rookery/kernel';

/** A load balancer and the agent that keeps it in step with the registry. */
export interface Front {
  readonly name: string;
  readonly proxy: Proxy;
  status(): EdgeStatus;
  /** Takes no new connection, answers what is under way, and ends. Hurried: it ends at once. */
  stop(options?: { readonly hurry?: boolean }): Promise<void>;
}

export interface FrontOptions {
  /** The folder `deploy`. */
  readonly templates: string;
  readonly service: string;
  readonly registry: Registry;
  /** 0: a free one. */
  readonly port: number;
  /** Milliseconds that a request may take in a replica. */
  readonly deadlineMs: number;
  /** Folder of the access log. */
  readonly logs: string;
  /** Who takes traffic when it starts. */
  readonly instances: readonly Instance[];
  readonly onEvent: (line: string) => void;
  readonly meter: Meter;
}

/** One machine has one address: limits per address would be limits of the site. */
const RATE = { RATE: '100000r/s', BURST: '20000' };

export async function startNginxFront(options: FrontOptions): Promise<Front> {
  const templates = await templatesIn(join(options.templates, 'nginx'));
  delete templates['tls.conf'];
  const peers = options.instances.map(({ id, address }) => ({ id, address, draining: false }));
  const proxy = await startNginx({
    ...portOf(options),
    files: ({ host, ports }) => ({
      ...renderTemplates(templates, {
        ...RATE,
        ADDRESS_CONNECTIONS: '4000',
        LISTEN: `${host}:${ports[0]}`,
        SERVICE: options.service,
        WORKERS: '2',
        // A replica answers by its deadline, and is to be heard.
        READ_TIMEOUT: `${options.deadlineMs + 1_000}ms`,
        // One that dies with a request that has waited as long leaves it to another.
        RETRY_TIMEOUT: `${options.deadlineMs + 3_000}ms`,
        ACCESS_LOG: join(options.logs, 'nginx-access.log'),
      } satisfies TemplateValues),
      // Whoever listens on the port that stands in the template is none of ours.
      'upstream.conf': renderUpstream(options.service, peers),
    }),
  });
  return frontOf(proxy, new NginxBalancer({ service: options.service, prefix: proxy.folder }), options);
}

export async function startHaproxyFront(options: FrontOptions): Promise<Front> {
  const templates = await templatesIn(join(options.templates, 'haproxy'));
  let socket = '';
  const proxy = await startHaproxy({
    ...portOf(options),
    files: ({ host, ports, folder }) => {
      socket = join(folder, 'haproxy.sock');
      return renderTemplates(templates, { RATE: '1000000', LISTEN: `${host}:${ports[0]}`, SOCKET: socket });
    },
  });
  return frontOf(proxy, new HaproxyBalancer({ service: options.service, socket }), options);
}

function frontOf(
  proxy: Proxy,
  balancer: Balancer,
  { registry, service, onEvent, meter }: FrontOptions,
): Front {
  const agent = new EdgeAgent({ registry, service, balancer, onEvent, meter });
  agent.start();
  return {
    name: balancer.name,
    proxy,
    status: () => agent.status(),
    stop: async ({ hurry = false } = {}) => {
      // First, or it would tell a balancer that ends of replicas that end.
      await agent.stop();
      if (!hurry && proxy.runs) await proxy.drain();
      await proxy.close();
    },
  };
}

function portOf({ port }: FrontOptions): { port?: number } {
  return port === 0 ? {} : { port };
}

async function templatesIn(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder)).filter((name) => /\.(conf|cfg)$/.test(name));
  const texts = files.map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const);
  return Object.fromEntries(await Promise.all(texts));
}
