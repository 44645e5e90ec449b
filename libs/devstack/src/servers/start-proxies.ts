import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Guard } from '../kafka/guard.js';
import { HOST } from '../kafka/server-properties.js';
import type { Keepable } from './keepable.js';
import { LocalServer } from './local-server.js';
import { OneProgram } from './one-program.js';
import { startOnFreePorts } from './start-on-free-ports.js';

/** What the files of a proxy need to know of the place it runs in. */
export interface ProxyPlace {
  readonly folder: string;
  readonly host: string;
  /** Free ports: the first takes clients. */
  readonly ports: readonly number[];
}

export interface ProxyOptions {
  /** The configuration by file name; `nginx.conf` or `haproxy.cfg` is the one that is started. */
  readonly files: (place: ProxyPlace) => Readonly<Record<string, string>>;
  /** The first port, where it may not be just any. @default a free one */
  readonly port?: number;
  /** How many free ports to find. @default 1 */
  readonly ports?: number;
}

export interface Proxy extends ProxyPlace, Keepable {
  /** `http://host:port` of its first port. */
  readonly url: string;
  readonly runs: boolean;
  /** Of the master process; another one after `start`. @throws RK_DEVSTACK_SERVER_WRONG_STATE while it does not run */
  readonly pid: number;
  /** What it has written to its standard error since its last start. */
  log(): Promise<string>;
  /** Nginx: SIGHUP. It does not wait for what becomes of it. */
  reload(): void;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
  /** Takes no new connection, answers what is under way, and ends; killed where that takes longer than ten seconds. */
  drain(): Promise<void>;
  /** Starts it again, with what its files say now. */
  start(signal?: AbortSignal): Promise<void>;
  /** Ends it, and removes its folder. May be called again. */
  close(): Promise<void>;
}

const DRAIN_SIGNAL: Readonly<Record<string, NodeJS.Signals>> = { nginx: 'SIGQUIT', haproxy: 'SIGUSR1' };

/**
 * Nginx (on the path) on loopback, in a temporary folder that is its prefix and has the folders `logs` and `tmp`. When this
 * process dies, it is killed and the folder is removed.
 * @throws RK_DEVSTACK_SERVER_START_FAILED, RK_DEVSTACK_SERVER_START_TIMEOUT
 */
export function startNginx(options: ProxyOptions): Promise<Proxy> {
  return startProxy('nginx', options, (folder) => [
    '-p',
    folder,
    '-c',
    join(folder, 'nginx.conf'),
    '-g',
    'daemon off;',
  ]);
}

/** HAProxy, likewise, as a master with one worker. @throws as `startNginx` */
export function startHaproxy(options: ProxyOptions): Promise<Proxy> {
  return startProxy('haproxy', options, (folder) => ['-W', '-db', '-f', join(folder, 'haproxy.cfg')]);
}

function startProxy(
  name: string,
  { files, port, ports: count = 1 }: ProxyOptions,
  args: (folder: string) => string[],
): Promise<Proxy> {
  return startOnFreePorts(name, count, async ({ folder, ports: free, guard }) => {
    const ports = port === undefined ? free : [port, ...free.slice(1)];
    for (const made of ['logs', 'tmp']) await mkdir(join(folder, made));
    for (const [file, text] of Object.entries(files({ folder, host: HOST, ports })))
      await writeFile(join(folder, file), text);
    const server = new LocalServer({
      name,
      command: name,
      args: args(folder),
      folder,
      guard,
      ready: () => answers(ports[0]!),
    });
    return new LocalProxy(server, guard, folder, ports, DRAIN_SIGNAL[name] ?? 'SIGTERM');
  });
}

class LocalProxy extends OneProgram implements Proxy {
  readonly host = HOST;
  constructor(
    server: LocalServer,
    private readonly guard: Guard,
    readonly folder: string,
    readonly ports: readonly number[],
    private readonly drainSignal: NodeJS.Signals,
  ) {
    super(server);
  }

  get url(): string {
    return `http://${HOST}:${this.ports[0]}`;
  }

  get runs(): boolean {
    return this.server.runs;
  }

  get pid(): number {
    return this.server.pid;
  }

  log(): Promise<string> {
    return this.server.log();
  }

  reload(): void {
    this.server.signal('SIGHUP');
  }

  drain(): Promise<void> {
    return this.server.stop(this.drainSignal);
  }

  /** In order where it can be: workers that lose their master go on by themselves. */
  protected async end(): Promise<void> {
    if (this.server.runs) await this.server.stop();
    await this.guard.release();
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
