import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root } from '../../scripts/build-if-stale.mjs';
import { until } from './until.js';

const READY = /^Conduit is ready on (http:\S+)\/api · docs \/docs · operations (http:\S+)$/;
/** Machines that run tests do other things as well. */
const START_LIMIT_MS = 90_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds since the process was told to stop, or was started. */
  readonly tookMs: number;
}

/** The built site in a process of its own, as `npm start` runs it: with no variable but those given, on free ports. */
export class ChildSite {
  out = '';
  err = '';
  /** Both known once the site is ready. */
  url = '';
  opsUrl = '';
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;
  private since = performance.now();
  private hasEnded = false;

  constructor(
    environment: Readonly<Record<string, string>>,
    /** For Node itself. */
    flags: readonly string[] = [],
  ) {
    this.child = spawn(process.execPath, [...flags, join(root, 'dist/src/main.js')], {
      cwd: root,
      env: { PATH: process.env['PATH'], PORT: '0', OPS_PORT: '0', LOG_FORMAT: 'ecs', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.out += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.err += text));
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      this.hasEnded = true;
      return {
        code: code as number | null,
        signal: signal as Ended['signal'],
        tookMs: performance.now() - this.since,
      };
    });
  }

  /** This site, once it has said that it is ready. @throws with all it said, if it ends before or takes too long */
  async ready(): Promise<this> {
    await this.until('the line that says it is ready', () => {
      const [, url, opsUrl] = this.readyLines.map((line) => READY.exec(line)).at(0) ?? [];
      this.url = url ?? '';
      this.opsUrl = opsUrl ?? '';
      return url !== undefined;
    });
    return this;
  }

  /** Waits for what it says or does. @throws with all it said, if it ends before or takes too long */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    await until(what, async () => this.hasEnded || (await holds()), START_LIMIT_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.out}\n${this.err}`);
    });
    if (!(await holds())) throw new Error(`ended before ${what}\n${this.out}\n${this.err}`);
  }

  /** All lines that say it is ready, in whichever form. */
  get readyLines(): string[] {
    return this.lines
      .map((line) =>
        line.startsWith('{') ? String((JSON.parse(line) as { message?: unknown }).message) : line,
      )
      .filter((line) => line.startsWith('Conduit is ready'));
  }

  /** Whole lines of standard output. */
  get lines(): string[] {
    return this.out.split('\n').slice(0, -1);
  }

  /** The log, where its format is JSON. */
  get log(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  signal(name: NodeJS.Signals): void {
    this.since = performance.now();
    this.child.kill(name);
  }

  /** Stops it in order and waits for the end. */
  stop(): Promise<Ended> {
    this.signal('SIGTERM');
    return this.ended;
  }

  /** Ends it whatever it does; for clean-up. */
  async kill(): Promise<void> {
    if (!this.hasEnded) this.child.kill('SIGKILL');
    await this.ended;
  }
}
