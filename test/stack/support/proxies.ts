import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHaproxy, startNginx, type Proxy } from '@rookery/devstack/testing';
import { NginxBalancer, renderTemplates, renderUpstream, type TemplateValues } from '@rookery/discovery';
import type { PlainReplica } from './plain-replica.js';

type Peer = Pick<PlainReplica, 'name' | 'address'>;

const DEPLOY = join(import.meta.dirname, '../../../deploy');

/** Files of `deploy/<folder>`, as they are. */
export function templatesOf(folder: string): Record<string, string> {
  const files = readdirSync(join(DEPLOY, folder)).filter((name) => /\.(conf|cfg)$/.test(name));
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(DEPLOY, folder, file), 'utf8')]));
}

/** An Nginx by the files of `deploy/nginx`, in front of these, with room for any load of a test. */
export function nginxBefore(replicas: readonly Peer[], values: TemplateValues = {}): Promise<Proxy> {
  const templates = templatesOf('nginx');
  if (values['CERTIFICATE'] === undefined) delete templates['tls.conf'];
  return startNginx({
    ports: 2,
    files: ({ host, ports }) => ({
      ...renderTemplates(templates, {
        LISTEN: `${host}:${ports[0]}`,
        ...(values['CERTIFICATE'] !== undefined && { TLS_LISTEN: `${host}:${ports[1]}` }),
        WORKERS: '2',
        RATE: '100000r/s',
        BURST: '100000',
        ACCESS_LOG: 'logs/access.log',
        ...values,
      }),
      'upstream.conf': renderUpstream(
        'conduit',
        replicas.map(({ name, address }) => ({ id: name, address, draining: false })),
      ),
    }),
  });
}

export function balancerOf({ folder }: Proxy): NginxBalancer {
  return new NginxBalancer({ service: 'conduit', prefix: folder });
}

/** A replica is a part of the test's own process: one that is held up for seconds is not sick. */
const PATIENT_CHECK = 'timeout check 20s';

/** A HAProxy by the file of `deploy/haproxy`, with its slots empty. */
export function haproxy(values: TemplateValues = {}): Promise<Proxy> {
  const templates = templatesOf('haproxy');
  templates['haproxy.cfg'] = templates['haproxy.cfg']!.replace(/timeout check \S+/, PATIENT_CHECK);
  return startHaproxy({
    files: ({ host, ports, folder }) =>
      renderTemplates(templates, {
        LISTEN: `${host}:${ports[0]}`,
        SOCKET: join(folder, 'haproxy.sock'),
        RATE: '1000000',
        CHECK_MS: '100',
        ...values,
      }),
  });
}
