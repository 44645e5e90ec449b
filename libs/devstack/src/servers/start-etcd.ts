import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Guard } from '../kafka/guard.js';
import { HOST } from '../kafka/server-properties.js';
import type { Keepable } from './keepable.js';
import { LocalServer } from './local-server.js';
import { OneProgram } from './one-program.js';
import { startOnFreePorts } from './start-on-free-ports.js';

export interface Etcd extends Keepable {
  /** `host:port`; the same for as long as it is there. */
  readonly endpoint: string;
  /** Of its process; `undefined` while it does not run. */
  readonly pid: number | undefined;
  /** SIGTERM, and the end of it. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is dead. */
  kill(): Promise<void>;
  /** SIGSTOP: it says nothing any more, and its connections stay open. */
  freeze(): void;
  /** SIGCONT, if it was frozen. */
  thaw(): void;
  /** Starts it again on its data. */
  start(signal?: AbortSignal): Promise<void>;
  /** Starts it again without data, as after a lost disk. It must not run. */
  startEmpty(): Promise<void>;
  /** Ends it, and removes its data. May be called again. */
  close(): Promise<void>;
}

/**
 * etcd (3.4 or newer on the path), one member on loopback, with data that is removed at the end. When this process dies, it
 * is killed and the data is removed. Asking for a change of state that cannot be throws RK_DEVSTACK_SERVER_WRONG_STATE.
 * @throws RK_DEVSTACK_SERVER_START_FAILED, RK_DEVSTACK_SERVER_START_TIMEOUT
 */
export async function startEtcd(): Promise<Etcd> {
  return startOnFreePorts('etcd', 2, async ({ folder, ports, guard }) => {
    const client = `http://${HOST}:${ports[0]}`;
    const peer = `http://${HOST}:${ports[1]}`;
    const data = join(folder, 'data');
    const server = new LocalServer({
      name: 'etcd',
      command: 'etcd',
      args: [
        '--name=test',
        `--data-dir=${data}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=test=${peer}`,
        '--logger=zap',
        '--log-level=warn',
        // For one member; a lease cannot be shorter than one and a half elections.
        '--heartbeat-interval=50',
        '--election-timeout=500',
      ],
      folder,
      guard,
      ready: () => isHealthy(client),
    });
    return new LocalEtcd(server, guard, data, `${HOST}:${ports[0]}`);
  });
}

class LocalEtcd extends OneProgram implements Etcd {
  constructor(
    server: LocalServer,
    private readonly guard: Guard,
    private readonly data: string,
    readonly endpoint: string,
  ) {
    super(server);
  }

  get pid(): number | undefined {
    return this.server.runs ? this.server.pid : undefined;
  }

  async startEmpty(): Promise<void> {
    // Before the data goes: one that runs would be left with half of it.
    const starting = this.server.runs ? undefined : rm(this.data, { recursive: true, force: true });
    await starting;
    await this.server.start();
  }

  protected async end(): Promise<void> {
    if (this.server.runs) await this.server.kill();
    await this.guard.release();
  }
}

/** It has a leader and takes writes. */
async function isHealthy(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1_000) });
  return (await answer.text()).includes('true');
}
