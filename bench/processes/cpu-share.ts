import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';

/** What a process may use without a stop is its share of so long. */
const TURN_MS = 40;
const STEP_MS = 2;
const NS_PER_MS = 1e6;

/** A process that runs while something is left of its share, and is stopped until it has its share of a turn again. */
class Held {
  private readonly turn: number;
  private readonly main: number;
  private readonly buffer = Buffer.alloc(64);
  private left: number;
  private at = performance.now();
  private mainMs: number;
  private othersMs: number;
  private stopped = false;

  constructor(
    private readonly pid: number,
    private readonly share: number,
  ) {
    this.turn = share * TURN_MS;
    this.left = this.turn;
    this.main = openSync(`/proc/${pid}/task/${pid}/schedstat`, 'r');
    this.mainMs = this.ofMainThread();
    this.othersMs = this.ofOtherThreads();
  }

  step(): void {
    const now = performance.now();
    this.left += (now - this.at) * this.share;
    this.at = now;
    if (this.stopped) {
      if (this.left >= this.turn) this.signal('SIGCONT');
      return;
    }
    const mainMs = this.ofMainThread();
    // What is not used in time is not kept.
    this.left = Math.min(this.turn, this.left - (mainMs - this.mainMs));
    this.mainMs = mainMs;
    if (this.left > 0) return;
    this.signal('SIGSTOP');
    // Other threads do little beside the first one, and are looked at once in a turn: what they used is paid for now.
    const othersMs = this.ofOtherThreads();
    this.left -= Math.max(0, othersMs - this.othersMs);
    this.othersMs = othersMs;
  }

  release(): void {
    closeSync(this.main);
    try {
      this.signal('SIGCONT');
    } catch {
      // It has ended meanwhile.
    }
  }

  private signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.pid, signal);
    this.stopped = signal === 'SIGSTOP';
  }

  private ofMainThread(): number {
    const length = readSync(this.main, this.buffer, 0, this.buffer.length, 0);
    return millisecondsIn(this.buffer.toString('latin1', 0, length));
  }

  private ofOtherThreads(): number {
    const tasks = readdirSync(`/proc/${this.pid}/task`).filter((task) => task !== String(this.pid));
    return tasks.reduce((sum, task) => sum + this.ofThread(task), 0);
  }

  private ofThread(task: string): number {
    try {
      return millisecondsIn(readFileSync(`/proc/${this.pid}/task/${task}/schedstat`, 'utf8'));
    } catch {
      // It ended between the listing and the look.
      return 0;
    }
  }
}

/** Time on a processor is the first number, in nanoseconds. */
function millisecondsIn(schedstat: string): number {
  return Number(schedstat.slice(0, schedstat.indexOf(' '))) / NS_PER_MS;
}

/** Until it is disconnected. Arguments: share of a core, process ids. */
async function main(share: number, pids: readonly number[]): Promise<void> {
  // Whoever is interrupted together with it disconnects: nobody may stay stopped.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  const held = pids.map((pid) => new Held(pid, share));
  try {
    const over = new Promise<void>((resolve) => process.once('disconnect', resolve));
    const failed = new Promise<void>((_, reject) => {
      setInterval(() => {
        try {
          for (const one of held) one.step();
        } catch (error) {
          reject(error);
        }
      }, STEP_MS).unref();
    });
    process.send!('ready');
    await Promise.race([over, failed]);
  } finally {
    for (const one of held) one.release();
  }
}

const [share, ...pids] = process.argv.slice(2).map(Number);
if (process.send && share !== undefined) await main(share, pids);
