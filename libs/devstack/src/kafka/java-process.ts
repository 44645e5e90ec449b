import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Guard } from './guard.js';

/** Of a log line that says nothing of its own: where an exception passed through. */
const FRAME = /^\s+(at |\.\.\. \d+ more)/;
const SHOWN_LINES = 12;
const FLAGS = [
  '-Xmx512m',
  // The quick compiler alone: a broker of a test ends before the other one would have paid.
  '-XX:TieredStopAtLevel=1',
  // Two hundred lines of each start say what its settings are.
  '-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn',
];

export interface JavaCommand {
  readonly jars: string;
  readonly main: readonly string[];
  /** Working directory; the process writes nowhere else. */
  readonly folder: string;
  /** What it says is added there. */
  readonly logFile: string;
  readonly guard: Guard;
}

/** A java process, from its start to its end. */
export class JavaProcess {
  frozen = false;
  private outcome: string | undefined;
  private readonly end: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly logFile: string,
    private readonly logFrom: number,
    whenGone: () => void,
  ) {
    this.end = new Promise((resolve) =>
      child.once('exit', (code, signal) => {
        this.outcome = signal ?? `exit code ${code}`;
        whenGone();
        resolve();
      }),
    );
  }

  /** @throws the system's own error where there is no java */
  static async start({ jars, main, folder, logFile, guard }: JavaCommand): Promise<JavaProcess> {
    const log = await open(logFile, 'a');
    try {
      const { size } = await log.stat();
      const child = spawn('java', [...FLAGS, '-cp', join(jars, '*'), ...main], {
        // Ctrl-C in a terminal is for whoever started us, who may want to stop in order.
        detached: true,
        cwd: folder,
        stdio: ['ignore', log.fd, log.fd],
      });
      const { pid } = child;
      if (pid !== undefined) guard.add(pid);
      const started = new JavaProcess(child, logFile, size, () => pid !== undefined && guard.remove(pid));
      await once(child, 'spawn');
      return started;
    } finally {
      await log.close();
    }
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** How it ended; `undefined` while it runs. */
  get ended(): string | undefined {
    return this.outcome;
  }

  /** Resolves when it has ended, or `limitMs` have passed; with how it ended. */
  async whenEnded(limitMs?: number): Promise<string | undefined> {
    if (limitMs === undefined) await this.end;
    else {
      const over = new AbortController();
      const limit = delay(Math.max(0, limitMs), undefined, { signal: over.signal });
      // Whoever comes first, the timer may not keep the process alive.
      await Promise.race([this.end, limit]).finally(() => over.abort());
    }
    return this.outcome;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.end;
  }

  /** All it has said so far. */
  async log(): Promise<string> {
    return (await readFile(this.logFile)).subarray(this.logFrom).toString();
  }

  async lastLines(): Promise<string> {
    const lines = (await this.log()).split('\n').filter((line) => line.trim() !== '' && !FRAME.test(line));
    return lines.length === 0 ? 'it said nothing' : `\n${lines.slice(-SHOWN_LINES).join('\n')}`;
  }
}
