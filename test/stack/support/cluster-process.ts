import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { embeddedDatabaseNames, holdEmbeddedPostgres, type EmbeddedServer } from '@rookery/devstack';
import { root } from '../../../scripts/build-if-stale.mjs';
import { until } from '../../support/until.js';

const run = promisify(execFile);
const READY = /^Conduit is ready on (http:\S+)\/api /m;
const START_LIMIT_MS = 200_000;
/** Under a loaded machine a process takes its time to be seen as gone. */
const END_LIMIT_MS = 60_000;

/** A line of `rookery cluster status --json`. */
export interface Component {
  readonly component: string;
  readonly address: string;
  readonly pid?: number;
  readonly state: string;
  readonly note: string;
}

/** `npm run cluster` as a process, with data and temporary files in a folder of its own, by which its processes are known. */
export class ClusterProcess {
  out = '';
  url = '';
  private readonly child: ChildProcess;
  private readonly folder = mkdtempSync(join(tmpdir(), 'cluster-of-a-test-'));
  private readonly temporary = join(this.folder, 'tmp');
  private readonly data = join(this.folder, 'data');
  private readonly ended: Promise<number | null>;
  private hasEnded = false;

  constructor(...args: readonly string[]) {
    // PostgreSQL and Nginx are other users' processes.
    for (const folder of [this.temporary, this.data]) mkdirSync(folder);
    chmodSync(this.folder, 0o755);
    this.child = spawn(process.execPath, [join(root, 'scripts/cluster.mjs'), '--port', '0', ...args], {
      cwd: root,
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (this.out += text));
    this.ended = once(this.child, 'close').then(([code]) => {
      this.hasEnded = true;
      return code as number | null;
    });
  }

  /** This one, once it is ready. @throws with all it said */
  async ready(): Promise<this> {
    await until(
      'the cluster to be ready',
      async () => this.hasEnded || READY.test(this.out),
      START_LIMIT_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.out}`);
    });
    const url = READY.exec(this.out)?.[1];
    if (url === undefined) throw new Error(`it ended before it was ready:\n${this.out}`);
    this.url = url;
    return this;
  }

  /** `npx rookery cluster …`: what it prints. @throws with what it says on standard error */
  async rookery(...args: readonly string[]): Promise<string> {
    const command = [join(root, 'libs/cli/bin/rookery.mjs'), 'cluster', ...args];
    const { stdout } = await run(process.execPath, command, { cwd: root, env: this.environment });
    return stdout;
  }

  async status(): Promise<readonly Component[]> {
    return JSON.parse(await this.rookery('status', '--json')) as Component[];
  }

  /** Its status, once all that it names is up. */
  async whenUp(): Promise<readonly Component[]> {
    let status = await this.status();
    await until('all to be up', async () => {
      if (status.every(({ state }) => state === 'up')) return true;
      status = await this.status();
      return false;
    });
    return status;
  }

  async replicas(): Promise<readonly Component[]> {
    return (await this.status()).filter(({ component }) => component.startsWith('replica-'));
  }

  /** Of the shards, for as long as nobody has called `release` of it. */
  databases(shards: number): Promise<EmbeddedServer> {
    const databases = embeddedDatabaseNames(shards, 'conduit');
    return holdEmbeddedPostgres({ dataDir: join(this.data, 'cluster'), databases });
  }

  /** Where it keeps data, and writes who is there. */
  get folderOfData(): string {
    return join(this.data, 'cluster');
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Ctrl-C once: the exit code. */
  async interrupt(): Promise<number | null> {
    this.signal('SIGINT');
    return this.ended;
  }

  /** Processes of it, by their place or by what they were given: `pid command`. */
  processes(): string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        const [command, environment] = ['cmdline', 'environ'].map((file) =>
          contentOf(`/proc/${pid}/${file}`),
        );
        return `${command}${environment}`.includes(this.folder)
          ? [`${pid} ${command!.replaceAll('\0', ' ').trim()}`]
          : [];
      });
  }

  /** What it has left in the folder of temporary files. */
  leftFiles(): string[] {
    return readdirSync(this.temporary);
  }

  /** Ends it whatever it does, in order if it can. */
  async close(): Promise<void> {
    if (!this.hasEnded) {
      this.signal('SIGINT');
      await until('the cluster to end', async () => this.hasEnded, END_LIMIT_MS).catch(() =>
        this.signal('SIGKILL'),
      );
      await this.ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get environment(): Record<string, string | undefined> {
    return {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      TMPDIR: this.temporary,
      DATA_DIR: this.data,
      // Balancers take a draining replica out in time, even where their agents are held up for seconds.
      DRAIN_DELAY_MS: '5000',
      // As long as there is time for it before the deadline of a request.
      READ_AFTER_WRITE_MS: '4000',
    };
  }
}

/** Nothing of a process that has gone in the meantime. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
