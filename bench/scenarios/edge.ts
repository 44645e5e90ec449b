import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startNginx, type Proxy } from '@rookery/devstack/servers';
import { renderTemplates, renderUpstream } from '@rookery/discovery';
import { cpuOf, cpuOfTree } from '../cpu.js';
import { benchDatabases, DIST, fill } from '../databases.js';
import { median, type Report, type Scenario } from '../harness.js';
import { inBursts } from '../paced-load.js';
import { startConduit, type RunningServer } from '../servers.js';

const run = promisify(execFile);

const ARTICLES = 500;
const PATH = '/api/articles?limit=20';
const ROUNDS = 5;
const SECONDS = 3;
const CONNECTIONS = 8;
/** Each connection sends a request so often, all at the same moment; far from what makes anybody wait. */
const PER_SECOND = 40;

interface Variant {
  readonly name: string;
  readonly gzip?: boolean;
  readonly accessLog?: boolean;
  readonly tls?: boolean;
}

const VARIANTS: readonly Variant[] = [
  { name: 'as deployed: gzip, access log', gzip: true, accessLog: true },
  { name: 'without gzip', accessLog: true },
  { name: 'without access log', gzip: true },
  { name: 'without either' },
  { name: 'as deployed, with TLS', gzip: true, accessLog: true, tls: true },
];

/** Whom to ask, and whose CPU it takes. */
interface Target {
  readonly name: string;
  readonly url: string;
  readonly agent: PlainAgent | TlsAgent;
  cpuMs(): number;
}

interface Spent {
  readonly nginx: number;
  readonly replica: number;
}

export const edge: Scenario = {
  name: 'edge',
  about:
    'CPU per request of Nginx and the replica behind it, against the replica asked directly: a list of 20 articles',
  run: async (report) => {
    const databases = await benchDatabases(2);
    const folder = await mkdtemp(join(tmpdir(), 'rookery-bench-edge-'));
    const undo: (() => Promise<void>)[] = [
      () => databases.close(),
      () => rm(folder, { recursive: true, force: true }),
    ];
    try {
      await fill(databases.urls, ARTICLES);
      // Many clients of one address, all of them here; and what is measured is how an answer is carried.
      const replica = await startConduit(databases.urls, { TRUST_PROXY: 'true', CACHE: 'on' });
      undo.push(() => replica.stop());
      const certificate = await certificateIn(folder);
      const direct: Target = {
        name: 'directly',
        url: `http://127.0.0.1:${replica.port}`,
        agent: new PlainAgent({ keepAlive: true, maxSockets: CONNECTIONS }),
        cpuMs: () => 0,
      };
      const targets = [direct];
      for (const variant of VARIANTS) {
        const proxy = await nginxOf(variant, replica, certificate, folder);
        undo.push(() => proxy.close());
        targets.push(await targetOf(variant, proxy, certificate));
      }
      undo.push(async () => targets.forEach(({ agent }) => agent.destroy()));
      await compare(report, targets, replica);
    } finally {
      for (let step = undo.pop(); step; step = undo.pop()) await step();
    }
  },
};

/** By turns, so that a noisy neighbour hits all of them alike. */
async function compare(report: Report, targets: readonly Target[], replica: RunningServer): Promise<void> {
  for (const target of targets) await measured(target, replica);
  const rounds = new Map<Target, Spent[]>(targets.map((target) => [target, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const target of targets) rounds.get(target)!.push(await measured(target, replica));
  const of = (target: Target, part: (spent: Spent) => number): number =>
    median(rounds.get(target)!.map(part));
  const all = ({ nginx, replica: own }: Spent): number => nginx + own;
  const [direct, ...others] = targets;
  for (const target of others) {
    report.add('edge', `${target.name}: CPU of both`, of(target, all), of(direct!, all), 'ms/op', false);
    report.say(
      `  of which Nginx ${of(target, ({ nginx }) => nginx).toFixed(3)}, the replica ${of(target, ({ replica: own }) => own).toFixed(3)} ms`,
    );
  }
}

/** Milliseconds of CPU for one request. */
async function measured({ url, agent, cpuMs }: Target, replica: RunningServer): Promise<Spent> {
  const [nginxBefore, replicaBefore] = [cpuMs(), cpuOf(replica.pid)];
  const bursts = await inBursts(PER_SECOND, SECONDS, () =>
    Promise.all(Array.from({ length: CONNECTIONS }, () => get(url + PATH, agent))),
  );
  const requests = bursts * CONNECTIONS;
  return {
    nginx: (cpuMs() - nginxBefore) / requests,
    replica: (cpuOf(replica.pid) - replicaBefore) / requests,
  };
}

/** As a browser asks: whoever can pack may. @throws unless it is answered by 200 */
function get(url: string, agent: PlainAgent | TlsAgent): Promise<void> {
  const send = url.startsWith('https:') ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const outgoing = send(url, { agent, headers: { 'accept-encoding': 'gzip' } }, (incoming) => {
      incoming.resume();
      incoming.once('error', reject);
      incoming.once('end', () =>
        incoming.statusCode === 200
          ? resolve()
          : reject(new Error(`${url} was answered ${incoming.statusCode}`)),
      );
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

interface Certificate {
  readonly file: string;
  readonly key: string;
}

async function certificateIn(folder: string): Promise<Certificate> {
  const [file, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await run('openssl', ['req', '-x509', '-days', '2', ...curve, ...name, '-keyout', key, '-out', file]);
  return { file, key };
}

/** By the files of `deploy/nginx`, with what the variant leaves out taken out of them. */
async function nginxOf(
  { gzip = false, accessLog = false, tls = false }: Variant,
  { port }: RunningServer,
  { file, key }: Certificate,
  logs: string,
): Promise<Proxy> {
  const templates = join(DIST, '../deploy/nginx');
  const names = (await readdir(templates)).filter(
    (name) => name.endsWith('.conf') && (tls || name !== 'tls.conf'),
  );
  const texts = await Promise.all(names.map((name) => readFile(join(templates, name), 'utf8')));
  return startNginx({
    ports: 2,
    files: ({ host, ports, folder }) => {
      const rendered = renderTemplates(Object.fromEntries(names.map((name, at) => [name, texts[at]!])), {
        LISTEN: `${host}:${ports[0]}`,
        ...(tls && { TLS_LISTEN: `${host}:${ports[1]}`, CERTIFICATE: file, CERTIFICATE_KEY: key }),
        SERVICE: 'conduit',
        WORKERS: '1',
        RATE: '100000r/s',
        BURST: '20000',
        ADDRESS_CONNECTIONS: '4000',
        ACCESS_LOG: join(logs, `${ports[0]}.log`),
        ERROR_LOG: join(folder, 'error.log'),
      });
      const peers = [{ id: 'one', address: `127.0.0.1:${port}`, draining: false }];
      let config = rendered['nginx.conf']!;
      if (!gzip) config = config.replace('gzip on;', 'gzip off;');
      if (!accessLog) config = config.replace(/^ *access_log .*;$/m, 'access_log off;');
      return {
        ...rendered,
        'nginx.conf': config,
        'upstream.conf': renderUpstream('conduit', peers),
      };
    },
  });
}

async function targetOf(
  { name, tls = false }: Variant,
  { pid, ports }: Proxy,
  { file }: Certificate,
): Promise<Target> {
  const options = { keepAlive: true, maxSockets: CONNECTIONS };
  return {
    name,
    url: tls ? `https://127.0.0.1:${ports[1]}` : `http://127.0.0.1:${ports[0]}`,
    agent: tls ? new TlsAgent({ ...options, ca: await readFile(file) }) : new PlainAgent(options),
    cpuMs: () => cpuOfTree(pid),
  };
}
