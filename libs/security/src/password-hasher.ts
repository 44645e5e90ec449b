import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import { noopMeter, type Histogram } from '@rookery/kernel';
import {
  hash,
  parseOptions,
  verify,
  type Algorithm,
  type Options,
  type ParsedHashOptions,
} from '@node-rs/argon2';
import { securityErrors } from './security.errors.js';
import type { PasswordOptions } from './security.options.js';
import { WorkQueue } from './work-queue.js';

/** The package's enum is a `const enum`, which an isolated compilation cannot read. */
const ARGON2ID: Algorithm = 2;

/** Seconds; one hash takes some 0.015 to 0.05. */
const BUCKETS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/**
 * argon2id (RFC 9106) in a bounded queue: a flood of logins waits, and then is turned away, while everything else goes on.
 *
 * Passwords are brought to Unicode NFKC first (NIST SP 800-63B-4, 3.1.1.2), so that one typed on another keyboard is the
 * same. Every method but `needsRehash` waits for its turn and throws:
 * - RK_SECURITY_BUSY with `retryAfterSeconds` where the queue is full or `maxWaitMs` passed;
 * - RK_KERNEL_DEADLINE_EXCEEDED where the request's deadline passed first: nothing is hashed then;
 * - RK_SECURITY_PASSWORD_TOO_LONG.
 */
@Injectable()
export class PasswordHasher {
  private readonly queue: WorkQueue;
  private readonly parameters: Required<
    Pick<Options, 'memoryCost' | 'timeCost' | 'parallelism' | 'algorithm'>
  >;
  private readonly maxBytes: number;
  private readonly waited: Histogram;
  private readonly took: Histogram;

  constructor(options: PasswordOptions = {}) {
    const { meter = noopMeter, maxPasswordBytes = 1024 } = options;
    this.maxBytes = maxPasswordBytes;
    this.parameters = {
      algorithm: ARGON2ID,
      memoryCost: options.memoryKiB ?? 19_456,
      timeCost: options.passes ?? 2,
      parallelism: options.lanes ?? 1,
    };
    this.waited = meter.histogram({
      name: 'rookery_security_password_wait_seconds',
      help: 'Time a password waited for its turn',
      buckets: BUCKETS,
    });
    this.took = meter.histogram({
      name: 'rookery_security_password_duration_seconds',
      help: 'Time one argon2id took, without its wait',
      buckets: BUCKETS,
    });
    const refused = meter.counter({
      name: 'rookery_security_password_refused_total',
      help: 'Passwords that were not looked at: the queue was full, or their time passed in it',
      labels: ['reason'],
    });
    this.queue = new WorkQueue({
      concurrency: options.concurrency ?? Math.min(2, Math.max(1, availableParallelism() - 1)),
      limit: options.queueLimit ?? 64,
      maxWaitMs: options.maxWaitMs ?? 5000,
      during: 'waiting to hash a password',
      busy: (retryAfterSeconds) => securityErrors.create('BUSY', { retryAfterSeconds }),
      onRefused: (reason) => refused.add(1, { reason }),
    });
    meter.gauge(
      { name: 'rookery_security_password_queue_length', help: 'Passwords that wait for their turn' },
      () => [{ value: this.queue.length }],
    );
    meter.gauge({ name: 'rookery_security_password_running', help: 'Passwords being hashed' }, () => [
      { value: this.queue.running },
    ]);
  }

  /** @returns the hash in PHC text form, with its own salt and parameters: `$argon2id$v=19$m=19456,t=2,p=1$…` */
  async hash(password: string): Promise<string> {
    const bytes = this.bytesOf(password);
    return this.inTurn(() => hash(bytes, this.parameters));
  }

  /** @throws RK_SECURITY_BAD_HASH where `stored` is not an argon2 hash */
  async verify(stored: string, password: string): Promise<boolean> {
    const bytes = this.bytesOf(password);
    parametersOf(stored);
    return this.inTurn(() => verify(stored, bytes));
  }

  /**
   * What to call where there is no account to verify against: costs what `verify` costs and is always false, so that the
   * time of an answer does not tell whether the account exists.
   */
  async verifyAbsent(password: string): Promise<false> {
    await this.hash(password);
    return false;
  }

  /** Whether a hash was made with other parameters than the present ones. @throws RK_SECURITY_BAD_HASH */
  needsRehash(stored: string): boolean {
    const made = parametersOf(stored);
    const { algorithm, memoryCost, timeCost, parallelism } = this.parameters;
    return (
      made.algorithm !== algorithm ||
      made.memoryCost !== memoryCost ||
      made.timeCost !== timeCost ||
      made.parallelism !== parallelism
    );
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const asked = performance.now();
    return this.queue.run(async () => {
      const begun = performance.now();
      this.waited.observe((begun - asked) / 1000);
      try {
        return await work();
      } finally {
        this.took.observe((performance.now() - begun) / 1000);
      }
    });
  }

  private bytesOf(password: string): Buffer {
    // Measured before it is normalised, which costs by the length and may lengthen.
    if (Buffer.byteLength(password) > this.maxBytes) {
      throw securityErrors.create('PASSWORD_TOO_LONG', { data: { limit: this.maxBytes } });
    }
    return Buffer.from(password.normalize('NFKC'));
  }
}

function parametersOf(stored: string): ParsedHashOptions {
  try {
    return parseOptions(stored);
  } catch (cause) {
    throw securityErrors.create('BAD_HASH', { cause });
  }
}
