import { setImmediate as turn } from 'node:timers/promises';
import { createCache, type Cache } from '@rookery/cache';
import { startRedis, type Redis } from '@rookery/devstack/testing';
import { LRUCache } from 'lru-cache';
import { createClient } from 'redis';
import { median, type Report, type Scenario, type Side } from '../harness.js';

const KEYS = 1_000;
const LOCAL_READS = 1_000_000;
/** Between two of them the loop turns. */
const BATCH = 20_000;
const ROUNDS = 7;
const SHARED_READS = 20_000;
const MOST_LOADED = 0.01;
/** At once: one pays the way to Redis and back, many share it. */
const READERS = [1, 32];

interface Value {
  readonly id: number;
  readonly text: string;
}

const keys = Array.from({ length: KEYS }, (_, id) => `value:${id}`);
const valueOf = (id: number): Value => ({ id, text: 'x'.repeat(900) });
const options = { tags: ['tag'], ttlMs: 3_600_000 };

export const read: Scenario = {
  name: 'read',
  about: 'one value out of memory against plain lru-cache, and out of Redis against GET by bare node-redis 4',
  run: async (report) => {
    const redis = await startRedis();
    try {
      await local(report);
      await shared(report, redis);
    } finally {
      await redis.close();
    }
  },
};

/** By the driver memory: over Redis a machine that stops this process for 400 ms would make it trust nothing. */
async function local(report: Report): Promise<void> {
  const cache = await filled();
  const lru = new LRUCache<string, Value>({ max: KEYS });
  keys.forEach((key, id) => lru.set(key, valueOf(id)));
  try {
    await timed(report, 'from memory, at once (peek)', {
      ours: () => times((key) => cache.peek(key)!.ageMs),
      bare: () => times((key) => lru.get(key)!.id),
    });
    await timed(report, 'from memory, awaited (get)', {
      ours: () => awaited((key) => cache.get(key, never, options)),
      bare: () => awaited((key) => Promise.resolve(lru.get(key)!)),
    });
  } finally {
    await cache.stop();
  }
}

interface Sides {
  readonly ours: () => Promise<number>;
  readonly bare: () => Promise<number>;
}

/** CPU per read of both by turns, after a round each that does not count: the medians. */
async function timed(report: Report, label: string, sides: Sides): Promise<void> {
  const rounds: Record<keyof Sides, number[]> = { ours: [], bare: [] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const side of round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
      const cpu = process.cpuUsage();
      await sides[side]();
      const { user, system } = process.cpuUsage(cpu);
      if (round >= 0) rounds[side].push((user + system) / LOCAL_READS);
    }
  }
  report.add('read', `${label}: CPU`, median(rounds.ours), median(rounds.bare), 'µs', false);
}

async function times(one: (key: string) => number): Promise<number> {
  let sum = 0;
  for (let batch = 0; batch < LOCAL_READS; batch += BATCH) {
    for (let i = batch; i < batch + BATCH; i++) sum += one(keys[i % KEYS]!);
    await turn();
  }
  return sum;
}

async function awaited(one: (key: string) => Promise<Value>): Promise<number> {
  let sum = 0;
  for (let batch = 0; batch < LOCAL_READS; batch += BATCH) {
    for (let i = batch; i < batch + BATCH; i++) sum += (await one(keys[i % KEYS]!)).id;
    await turn();
  }
  return sum;
}

async function shared(report: Report, { url }: Redis): Promise<void> {
  await (await filled(url)).stop();
  // Its memory is too small for any entry: each read is one of Redis.
  const cache = createCache({ redisUrl: url, maxBytes: 1 });
  await cache.start();
  const client = createClient({ url });
  await client.connect();
  for (const [id, key] of keys.entries()) await client.set(`bare:${key}`, JSON.stringify(valueOf(id)));
  try {
    let loads = 0;
    const load = async (id: number) => {
      loads += 1;
      await turn();
      return valueOf(id);
    };
    const ours = (key: string, id: number) => cache.get(key, () => load(id), options);
    const bare = async (key: string) => JSON.parse((await client.get(`bare:${key}`))!) as Value;
    if (JSON.stringify(await ours(keys[7]!, 7)) !== JSON.stringify(await bare(keys[7]!))) {
      throw new Error('ours and the baseline differ');
    }
    for (const readers of READERS) {
      const label = `from Redis, ${readers} at once`;
      await report.compare('read', label, side(ours, readers), side(bare, readers));
    }
    const { localHits, sharedHits } = cache.stats();
    if (localHits > 0) throw new Error('some were read from memory');
    // A machine that stops for longer than the deadline makes a few of them bypass Redis.
    report.say(`  ${sharedHits} reads from Redis, ${loads} loads`);
    if (loads > MOST_LOADED * sharedHits)
      throw new Error('too many were loaded: the figures are of something else');
  } finally {
    await client.quit();
    await cache.stop();
  }
}

function side(one: (key: string, id: number) => Promise<Value>, readers: number): Side {
  return async () => {
    const [since, cpu] = [performance.now(), process.cpuUsage()];
    let at = 0;
    const reader = async () => {
      for (let i = at++; i < SHARED_READS; i = at++) await one(keys[i % KEYS]!, i % KEYS);
    };
    await Promise.all(Array.from({ length: readers }, reader));
    const { user, system } = process.cpuUsage(cpu);
    return {
      operations: SHARED_READS,
      seconds: (performance.now() - since) / 1000,
      cpuMs: (user + system) / 1000,
    };
  };
}

async function filled(url?: string): Promise<Cache> {
  const cache = createCache(url === undefined ? {} : { redisUrl: url });
  await cache.start();
  for (const [id, key] of keys.entries()) await cache.get(key, () => Promise.resolve(valueOf(id)), options);
  return cache;
}

function never(): Promise<Value> {
  throw new Error('what was to be found is loaded');
}
