import { readFile, stat } from 'node:fs/promises';
import {
  BackgroundLoop,
  noopMeter,
  type Clock,
  type Counter,
  type HealthProbe,
  type Meter,
  systemClock,
} from '@rookery/kernel';
import { KeySet } from './key-set.js';
import { KeySource } from './key-source.js';
import { parseKeysDocument } from './keys-document.js';
import { securityErrors } from './security.errors.js';
import { systemErrorCode } from './system-error-code.js';

export interface KeysFileOptions {
  /** Milliseconds between looks at the file. @default 2000 */
  readonly pollMs?: number;
  /** An unknown key in a token makes the file be looked at, at most this often (ms). @default 1000 */
  readonly refreshMs?: number;
  /** Told once of each new reason why the file cannot be used. @default nobody */
  readonly onProblem?: (error: unknown) => void;
  readonly meter?: Meter;
  readonly clock?: Clock;
}

/**
 * Keys from a file that is read again when it changes, so that keys rotate without a restart. Polled by `stat`, which
 * also sees what inotify does not: a mounted secret swapped behind a symbolic link, a network file system.
 *
 * A file that cannot be used changes nothing: the keys before it are kept, `health` says `degraded`,
 * `rookery_security_keys_reloads_total{outcome="error"}` counts.
 */
export class KeysFile extends KeySource {
  readonly health: HealthProbe = {
    name: 'keys',
    critical: false,
    check: () => Promise.resolve(this.report()),
  };

  private readonly loop: BackgroundLoop;
  private readonly reloads: Counter;
  private readonly clock: Clock;
  private looking: Promise<void> | undefined;
  private lastLook = Number.NEGATIVE_INFINITY;
  private problem: string | undefined;

  private constructor(
    private readonly path: string,
    private readonly options: KeysFileOptions,
    private keys: KeySet,
    private seen: string,
  ) {
    super();
    const { meter = noopMeter, pollMs = 2000, clock = systemClock } = options;
    this.clock = clock;
    this.reloads = meter.counter({
      name: 'rookery_security_keys_reloads_total',
      help: 'Times the keys file had changed and was read again, by outcome',
      labels: ['outcome'],
    });
    this.loop = new BackgroundLoop({
      name: 'security-keys',
      intervalMs: pollMs,
      meter,
      run: () => this.look(),
    });
  }

  /** @throws RK_SECURITY_KEYS_INVALID where the file cannot be read or used: there are no older keys to keep yet */
  static async open(path: string, options: KeysFileOptions = {}): Promise<KeysFile> {
    const { version, keys } = await read(path);
    return new KeysFile(path, options, keys, version);
  }

  current(): KeySet {
    return this.keys;
  }

  async refresh(): Promise<void> {
    const { refreshMs = 1000 } = this.options;
    if (this.looking === undefined && this.clock.monotonic() - this.lastLook < refreshMs) return;
    await this.look();
  }

  start(): void {
    this.loop.start();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private look(): Promise<void> {
    this.lastLook = this.clock.monotonic();
    this.looking ??= this.reload().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async reload(): Promise<void> {
    try {
      // A file that is away counts as changed: reading it says so.
      const present = await versionOf(this.path).catch(() => undefined);
      if (present === this.seen && this.problem === undefined) return;
      const { version, keys } = await read(this.path, this.keys);
      const changed = version !== this.seen;
      this.keys = keys;
      this.seen = version;
      this.problem = undefined;
      if (changed) this.reloads.add(1, { outcome: 'ok' });
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      // The same fault is found again at each look until somebody mends the file.
      if (problem === this.problem) return;
      this.problem = problem;
      this.reloads.add(1, { outcome: 'error' });
      this.options.onProblem?.(error);
    }
  }

  private report() {
    return {
      status: this.problem === undefined ? ('up' as const) : ('degraded' as const),
      details: {
        signing: this.keys.signing.kid,
        kids: this.keys.kids,
        ...(this.problem === undefined ? {} : { problem: this.problem }),
      },
    };
  }
}

async function read(path: string, previous?: KeySet): Promise<{ version: string; keys: KeySet }> {
  let version: string;
  let text: string;
  try {
    // The version is taken first: a change between the two is seen again at the next look, never missed.
    version = await versionOf(path);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const code = systemErrorCode(cause);
    throw securityErrors.create('KEYS_INVALID', {
      data: { source: path, reason: `the file cannot be read (${code})` },
      cause,
    });
  }
  return { version, keys: await KeySet.from(parseKeysDocument(text, path), path, previous) };
}

async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${ino}:${size}:${mtimeNs}`;
}
