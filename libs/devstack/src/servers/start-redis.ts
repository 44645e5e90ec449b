import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Guard } from '../kafka/guard.js';
import { HOST } from '../kafka/server-properties.js';
import type { Keepable } from './keepable.js';
import { LocalServer } from './local-server.js';
import { OneProgram } from './one-program.js';
import { startOnFreePorts } from './start-on-free-ports.js';

export interface RedisOptions {
  /** Directives of `redis.conf`, e.g. `{ maxmemory: '4mb' }`. */
  readonly config?: Readonly<Record<string, string>>;
  /** As a Redis Cluster of one node, which refuses keys of different slots in one command as any cluster. @default false */
  readonly cluster?: boolean;
}

export interface Redis extends Keepable {
  /** `redis://host:port`; the same for as long as it is there. */
  readonly url: string;
  readonly port: number;
  /** Of its process; `undefined` while it does not run. */
  readonly pid: number | undefined;
  /** What `redis-cli` prints for a command, without the newline at the end. */
  command(...args: readonly string[]): Promise<string>;
  /** CONFIG SET. It lasts until the next start. */
  configure(directive: string, value: string): Promise<void>;
  /** SIGKILL; resolves when it is dead. */
  kill(): Promise<void>;
  /** SIGSTOP: it says nothing any more, and its connections stay open. */
  freeze(): void;
  /** SIGCONT, if it was frozen. */
  thaw(): void;
  /** SIGTERM, and the end of it; what it holds is not saved, but for an earlier `command('SAVE')`. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with what was saved. It must not run. */
  start(signal?: AbortSignal): Promise<void>;
  /** Kills it where it runs, and starts it without data. */
  restartEmpty(): Promise<void>;
  /** Ends it, and removes its folder. May be called again. */
  close(): Promise<void>;
}

const run = promisify(execFile);
const LAST_SLOT = '16383';

/**
 * Redis (`redis-server` and `redis-cli` on the path) on loopback, in memory only, in a temporary folder. When this process
 * dies, it is killed and the folder is removed. Asking for a change of state that cannot be throws
 * RK_DEVSTACK_SERVER_WRONG_STATE.
 * @throws RK_DEVSTACK_SERVER_START_FAILED, RK_DEVSTACK_SERVER_START_TIMEOUT
 */
export async function startRedis({ config = {}, cluster = false }: RedisOptions = {}): Promise<Redis> {
  if (!cluster) return startRedisServer(config, false);
  const redis = await startRedisServer(config, true);
  await redis.command('CLUSTER', 'ADDSLOTSRANGE', '0', LAST_SLOT);
  while (!(await redis.command('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  return redis;
}

/** One server; as a node of a cluster it has no slots yet, and knows nobody. */
export function startRedisServer(
  config: Readonly<Record<string, string>>,
  isNode: boolean,
): Promise<RedisServer> {
  // A cluster's nodes talk to each other on a second port.
  return startOnFreePorts('redis', 2, async ({ folder, ports, guard }) => {
    const data = join(folder, 'data');
    await mkdir(data);
    const [port, busPort] = ports as [number, number];
    const directives: Record<string, string> = {
      port: String(port),
      bind: HOST,
      dir: data,
      save: '',
      appendonly: 'no',
      ...(isNode && { 'cluster-enabled': 'yes', 'cluster-port': String(busPort) }),
      ...config,
    };
    const password = config['requirepass'];
    const asks = (args: readonly string[]) => ask(port, password, args);
    const server = new LocalServer({
      name: 'redis',
      command: 'redis-server',
      args: Object.entries(directives).flatMap(([name, value]) => [`--${name}`, value]),
      folder,
      guard,
      ready: async () => (await asks(['PING'])) === 'PONG',
    });
    return new RedisServer(server, guard, data, { port, busPort, password }, asks);
  });
}

async function ask(port: number, password: string | undefined, args: readonly string[]): Promise<string> {
  const asWho = password === undefined ? [] : ['-a', password, '--no-auth-warning'];
  const { stdout } = await run('redis-cli', ['-h', HOST, '-p', String(port), ...asWho, ...args]);
  return stdout.trimEnd();
}

export class RedisServer extends OneProgram implements Redis {
  constructor(
    server: LocalServer,
    private readonly guard: Guard,
    private readonly data: string,
    private readonly place: {
      readonly port: number;
      readonly busPort: number;
      readonly password: string | undefined;
    },
    private readonly asks: (args: readonly string[]) => Promise<string>,
  ) {
    super(server);
  }

  get port(): number {
    return this.place.port;
  }

  /** Where other nodes of a cluster talk to it. */
  get busPort(): number {
    return this.place.busPort;
  }

  get url(): string {
    const { port, password } = this.place;
    return `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}${HOST}:${port}`;
  }

  get pid(): number | undefined {
    return this.server.runs ? this.server.pid : undefined;
  }

  command(...args: readonly string[]): Promise<string> {
    return this.asks(args);
  }

  async configure(directive: string, value: string): Promise<void> {
    const answer = await this.command('CONFIG', 'SET', directive, value);
    if (answer !== 'OK') throw new Error(`Redis does not take ${directive} ${value}: ${answer}`);
  }

  async restartEmpty(): Promise<void> {
    if (this.server.runs) await this.server.kill();
    await rm(this.data, { recursive: true, force: true });
    await mkdir(this.data);
    await this.server.start();
  }

  protected async end(): Promise<void> {
    if (this.server.runs) await this.server.kill();
    await this.guard.release();
  }
}
