import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const STOP_LIMIT_MS = 7_000;
/** The processor belongs to the site that starts; its successor is prepared when that is done. */
const SPARE_DELAY_MS = 1_500;
const RUNNER = fileURLToPath(new URL('./run-site.mjs', import.meta.url));

/**
 * The one process of the site: replaced only when the one before has ended and so let go of its port.
 * A spare process with the packages loaded stands by, since loading them is what a restart would spend its time on.
 *
 * Both are in sessions of their own: Ctrl-C in a terminal reaches every process of the terminal's group, npm's too, and the
 * site would be told to stop two or three times over; so it is told once, by us.
 */
export class Site {
  #child;
  #spare;
  #spareTimer;
  #entry;
  #vendors;
  #onEnd;
  #stopping = false;

  /** `onEnd(code, livedMs)` hears of an end that nobody asked for. */
  constructor(entry, vendors, onEnd) {
    this.#entry = entry;
    this.#vendors = vendors;
    this.#onEnd = onEnd;
  }

  start() {
    const child = this.#spare ?? spawnRunner([]);
    const started = performance.now();
    this.#spare = undefined;
    this.#child = child;
    this.#stopping = false;
    child.once('exit', (code) => {
      this.#child = undefined;
      if (!this.#stopping) this.#onEnd(code ?? 1, performance.now() - started);
    });
    // One that died meanwhile is heard of by its exit.
    child.send(this.#entry, () => undefined);
    clearTimeout(this.#spareTimer);
    this.#spareTimer = setTimeout(() => void this.#prepare(), SPARE_DELAY_MS);
  }

  /** Resolves when it has ended: in order if it can, by force after 7 s. */
  async stop() {
    const child = this.#child;
    if (!child) return;
    this.#stopping = true;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const limit = setTimeout(() => this.kill(), STOP_LIMIT_MS);
    await ended;
    clearTimeout(limit);
  }

  /** As `stop`, for good. */
  async close() {
    clearTimeout(this.#spareTimer);
    this.#spareTimer = null;
    this.#spare?.kill('SIGKILL');
    await this.stop();
  }

  kill() {
    this.#child?.kill('SIGKILL');
  }

  async #prepare() {
    const vendors = await this.#vendors();
    if (this.#spareTimer === null || this.#spare) return;
    const spare = spawnRunner(vendors);
    this.#spare = spare;
    spare.once('exit', () => {
      if (this.#spare === spare) this.#spare = undefined;
    });
  }
}

function spawnRunner(vendors) {
  return spawn(
    process.execPath,
    ['--enable-source-maps', RUNNER, JSON.stringify(vendors), ...process.argv.slice(2)],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true },
  );
}
