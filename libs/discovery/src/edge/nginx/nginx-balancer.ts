import { spawn } from 'node:child_process';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { discoveryErrors } from '../../discovery.errors.js';
import { samePeers, type Balancer, type Peer } from '../balancer.js';
import { peersIn, renderUpstream, type UpstreamSettings } from './upstream-file.js';
import { isMaster, workersOf } from './workers.js';

export interface NginxOptions extends UpstreamSettings {
  /** Name of the upstream, which the configuration passes requests to. */
  readonly service: string;
  /** Prefix: what paths in the configuration are relative to. */
  readonly prefix: string;
  /** The main file. It must itself include the upstream file, which lies beside it. @default `nginx.conf` in the prefix */
  readonly config?: string;
  /** @default 'upstream.conf' */
  readonly upstreamFile?: string;
  /** @default `nginx.pid` in the prefix */
  readonly pidFile?: string;
  /** @default 'nginx' */
  readonly command?: string;
  /** More arguments for the test of the configuration. @default [] */
  readonly args?: readonly string[];
  /** Seconds a reload may take to have effect. @default 15 */
  readonly effectSeconds?: number;
}

const TEST_LIMIT_MS = 10_000;
const POLL_MS = 10;

/** An Nginx on this machine, or in this pod: by a file that it includes, and a signal to its master. Linux. */
export class NginxBalancer implements Balancer {
  readonly name = 'nginx';
  private readonly config: string;
  private readonly file: string;
  private readonly pidFile: string;
  /** Whom the file as it is was given to, and saw take it. */
  private confirmed: number | undefined;

  constructor(private readonly options: NginxOptions) {
    const { prefix, config = join(prefix, 'nginx.conf'), upstreamFile = 'upstream.conf' } = options;
    this.config = config;
    this.file = join(dirname(config), upstreamFile);
    this.pidFile = options.pidFile ?? join(prefix, 'nginx.pid');
  }

  async current(): Promise<readonly Peer[] | undefined> {
    const text = await readFile(this.file, 'utf8').catch(() => undefined);
    return text === undefined ? undefined : peersIn(text);
  }

  /** By a master that this agent has seen take the file. Another one has read it at its start, but who knows when that was. */
  async inForce(): Promise<boolean> {
    return this.confirmed !== undefined && this.confirmed === (await this.master());
  }

  async apply(peers: readonly Peer[], signal: AbortSignal): Promise<void> {
    const current = await this.current();
    if (current === undefined || !samePeers(current, peers)) {
      this.confirmed = undefined;
      await this.replaceFile(renderUpstream(this.options.service, peers, this.options));
    }
    await this.reload(signal);
  }

  /** The file is never half written, and never one that Nginx would not start with. */
  private async replaceFile(text: string): Promise<void> {
    const next = `${this.file}.next`;
    try {
      await writeToDisk(next, text);
      await this.test(basename(next));
      await rename(next, this.file);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
  }

  /** The whole configuration, with the new file in the place of the old one. */
  private async test(next: string): Promise<void> {
    const { prefix, command = 'nginx', args = [] } = this.options;
    const included = new RegExp(`\\binclude\\s+(\\S*/)?${escaped(basename(this.file))}\\s*;`, 'g');
    const text = await readFile(this.config, 'utf8');
    const candidate = text.replace(included, (_, folder: string = '') => `include ${folder}${next};`);
    if (candidate === text) throw this.refused(`${this.config} does not include ${basename(this.file)}`);
    const file = `${this.config}.next`;
    try {
      await writeToDisk(file, candidate);
      const wrong = await outputOfFailed(
        command,
        ['-t', '-q', '-p', prefix, '-c', file, ...args],
        `${file}.out`,
      );
      if (wrong !== undefined) throw this.refused(wrong);
    } finally {
      await rm(file, { force: true });
    }
  }

  private async reload(signal: AbortSignal): Promise<void> {
    const master = await this.master();
    if (master === undefined) throw this.away(`no master process is named in ${this.pidFile}`);
    const old = new Set((await workersOf(master)).map(({ pid }) => pid));
    this.signal(master);
    await this.effectOf(master, old, signal);
    this.confirmed = master;
  }

  private signal(master: number): void {
    try {
      process.kill(master, 'SIGHUP');
    } catch (cause) {
      throw this.away((cause as Error).message, cause);
    }
  }

  /** New workers take connections, and no old one does: seen twice, as a list of children may lack one while another ends. */
  private async effectOf(master: number, old: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
    const { effectSeconds = 15 } = this.options;
    const until = performance.now() + effectSeconds * 1_000;
    for (let seen = 0; ;) {
      const workers = await workersOf(master);
      const oneIsNew = workers.some(({ pid, state }) => !old.has(pid) && state === 'serving');
      const allLeave = workers.every(({ pid, state }) => !old.has(pid) || state === 'leaving');
      seen = oneIsNew && allLeave ? seen + 1 : 0;
      if (seen === 2) return;
      if (workers.length === 0 && !(await isMaster(master)))
        throw this.away('it ended while it was reloaded');
      if (performance.now() > until)
        throw discoveryErrors.create('EDGE_NO_EFFECT', {
          data: { balancer: 'nginx', seconds: effectSeconds },
        });
      await delay(POLL_MS, undefined, { signal });
    }
  }

  /** `undefined` where none runs. */
  private async master(): Promise<number | undefined> {
    const pid = Number(await readFile(this.pidFile, 'utf8').catch(() => ''));
    // A pid file may outlive its process, and the system gives pids out again.
    return Number.isInteger(pid) && pid > 1 && (await isMaster(pid)) ? pid : undefined;
  }

  private refused(reason: string, cause?: unknown): Error {
    return discoveryErrors.create('EDGE_REFUSED', { data: { balancer: 'nginx', reason }, cause });
  }

  private away(reason: string, cause?: unknown): Error {
    return discoveryErrors.create('EDGE_AWAY', { data: { balancer: 'nginx', reason }, cause });
  }
}

/**
 * What it said, if it failed. By way of a file: where Nginx logs to `/dev/stdout`, it opens that, which it cannot when that is
 * a socket, as it is for a child of Node.js.
 */
async function outputOfFailed(
  command: string,
  args: readonly string[],
  path: string,
): Promise<string | undefined> {
  const output = await open(path, 'w+');
  try {
    const child = spawn(command, args, { stdio: ['ignore', output.fd, output.fd], timeout: TEST_LIMIT_MS });
    const failed = new Promise<string | undefined>((resolve) => {
      child.once('error', ({ message }) => resolve(message));
      child.once('close', (code, signal) =>
        resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)),
      );
    });
    const how = await failed;
    return how === undefined ? undefined : (await readFile(path, 'utf8')).trim() || how;
  } finally {
    await output.close();
    await rm(path, { force: true });
  }
}

/** After a loss of power it is there, or it is not; never a part of it. */
async function writeToDisk(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
