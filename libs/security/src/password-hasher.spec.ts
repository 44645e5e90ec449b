import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Deadline, kernelErrors, runInContext, type Meter } from '@rookery/kernel';
import { hash as argon2 } from '@node-rs/argon2';
import { PasswordHasher } from './password-hasher.js';
import { securityErrors } from './security.errors.js';
import type { PasswordOptions } from './security.options.js';

/** As little as argon2 takes, for what is not about its cost. */
const cheap: PasswordOptions = { memoryKiB: 8, passes: 1 };
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

function recordingMeter() {
  const gauges = new Map<string, () => number>();
  const counts = new Map<string, number>();
  const count = (name: string, by = 1) => counts.set(name, (counts.get(name) ?? 0) + by);
  const meter: Meter = {
    counter: ({ name }) => ({
      add: (by, labels) => count(`${name} ${Object.values(labels ?? {}).join()}`, by),
    }),
    histogram: ({ name }) => ({ observe: () => count(name) }),
    gauge: ({ name }, read) => {
      gauges.set(name, () => [...read()].reduce((sum, { value }) => sum + value, 0));
      return () => undefined;
    },
  };
  return { meter, counts, gauge: (name: string) => gauges.get(name)?.() };
}

describe('PasswordHasher', () => {
  it('hashes by the parameters OWASP asks for, salted, and verifies', async () => {
    const hasher = new PasswordHasher();
    const [one, other] = await Promise.all([hasher.hash('correct horse'), hasher.hash('correct horse')]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(other).not.toBe(one);
    expect(await hasher.verify(one, 'correct horse')).toBe(true);
    expect(await hasher.verify(one, 'correct horsf')).toBe(false);
  });

  it('knows one password typed on two keyboards', async () => {
    const hasher = new PasswordHasher(cheap);
    expect(await hasher.verify(await hasher.hash('caf\u00e9 \u{1f426}'), 'cafe\u0301 \u{1f426}')).toBe(true);
    expect(await hasher.verify(await hasher.hash('café'), 'cafe')).toBe(false);
  });

  it('says which hashes are to be made anew', async () => {
    const hasher = new PasswordHasher({ memoryKiB: 16, passes: 1 });
    expect(hasher.needsRehash(await hasher.hash('x'))).toBe(false);
    const others = [
      { memoryKiB: 24, passes: 1 },
      { memoryKiB: 16, passes: 2 },
      { memoryKiB: 16, passes: 1, lanes: 2 },
    ];
    for (const each of others) {
      expect(hasher.needsRehash(await new PasswordHasher(each).hash('x'))).toBe(true);
    }
    expect(hasher.needsRehash(await argon2('x', { memoryCost: 16, timeCost: 1, algorithm: 0 }))).toBe(true);
  });

  it('refuses a stored hash that is none, and a password that is a flood of its own', async () => {
    const hasher = new PasswordHasher(cheap);
    for (const stored of ['', 'plain', '$argon2id$v=19$m=8', '$2b$10$abcdefghijklmnopqrstuv']) {
      expect(securityErrors.is(await failureOf(hasher.verify(stored, 'x')), 'BAD_HASH')).toBe(true);
      expect(() => hasher.needsRehash(stored)).toThrow('the stored password hash cannot be read');
    }
    expect(await hasher.hash('é'.repeat(512))).toContain('argon2id');
    const failure = await failureOf(hasher.hash(`${'é'.repeat(512)}!`));
    expect(securityErrors.is(failure, 'PASSWORD_TOO_LONG')).toBe(true);
  });

  it('spends on an absent account what a present one costs: one whole argon2, and its turn in the queue', async () => {
    const { meter, counts } = recordingMeter();
    const hasher = new PasswordHasher({ ...cheap, meter });
    expect(await hasher.verifyAbsent('anything')).toBe(false);
    expect(counts.get('rookery_security_password_duration_seconds')).toBe(1);
    const full = new PasswordHasher({ ...cheap, concurrency: 1, queueLimit: 0 });
    const first = full.hash('x');
    expect(securityErrors.is(await failureOf(full.verifyAbsent('x')), 'BUSY')).toBe(true);
    await first;
  });

  it('answers BUSY with Retry-After when the queue is full, and measures', async () => {
    const { meter, counts, gauge } = recordingMeter();
    const hasher = new PasswordHasher({ concurrency: 1, queueLimit: 3, maxWaitMs: 60_000, meter });
    const logins = Array.from({ length: 10 }, () => failureOf(hasher.hash('password')));
    expect(gauge('rookery_security_password_queue_length')).toBe(3);
    expect(gauge('rookery_security_password_running')).toBe(1);
    const failures = (await Promise.all(logins)).filter((each) => each !== undefined);
    expect(failures).toHaveLength(6);
    for (const each of failures) {
      expect(each).toMatchObject({ code: 'RK_SECURITY_BUSY', status: 503, retryable: true });
      expect(each).toHaveProperty('retryAfterSeconds', expect.any(Number));
    }
    expect(Object.fromEntries(counts)).toEqual({
      rookery_security_password_wait_seconds: 4,
      rookery_security_password_duration_seconds: 4,
      'rookery_security_password_refused_total full': 6,
    });
    expect(gauge('rookery_security_password_queue_length')).toBe(0);
  });

  it('drops unhashed what nobody waits for any more', async () => {
    const { meter, counts } = recordingMeter();
    const hasher = new PasswordHasher({ concurrency: 1, memoryKiB: 65_536, meter });
    const first = hasher.hash('password');
    const late = Array.from({ length: 20 }, () =>
      failureOf(runInContext({ requestId: 'x', deadline: Deadline.after(2) }, () => hasher.hash('password'))),
    );
    const failures = await Promise.all([...late, first]);
    for (const each of failures.slice(0, -1)) expect(kernelErrors.is(each, 'DEADLINE_EXCEEDED')).toBe(true);
    expect(counts.get('rookery_security_password_duration_seconds')).toBe(1);
    expect(counts.get('rookery_security_password_refused_total waited')).toBe(20);
  });

  it('reads go on through a flood of 200 logins: of files, of names, over HTTP', async () => {
    const hasher = new PasswordHasher({ queueLimit: 200, maxWaitMs: 120_000 });
    const stored = await hasher.hash('password');
    const server = createServer((_, response) => response.end('read'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

    let under = 200;
    const flood = Promise.all(
      Array.from({ length: 200 }, () => hasher.verify(stored, 'password').finally(() => (under -= 1))),
    );
    let reads = 0;
    while (under > 0) {
      await Promise.all([
        readFile(import.meta.filename),
        lookup('localhost'),
        fetch(url).then((response) => response.text()),
      ]);
      reads += 1;
    }
    expect(new Set(await flood)).toEqual(new Set([true]));
    // Without a bound on what is under way, they come to a handful in all; with it, to several per login where cores are
    // free, and to fewer where each of the many turns of a read has to wait for one.
    expect(reads).toBeGreaterThanOrEqual(50);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }, 120_000);
});
