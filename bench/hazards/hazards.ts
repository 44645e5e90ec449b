import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'redis';
import type { Hazard, Outcome } from './hazard.js';

const READERS = 100;
const LOAD_MS = 200;
const HANGING_MS = 6_000;
/** A database may be asked a thing twice; a request that takes a second has failed its user. */
const LONGEST_MS = 1_000;

const stampede: Hazard = {
  name: `${READERS} cold callers in one process: loads`,
  try: async ({ here }) => {
    let loads = 0;
    const load = async () => {
      loads += 1;
      await pause(LOAD_MS);
      return loads;
    };
    await Promise.all(Array.from({ length: READERS }, () => here.read('cold', load)));
    return { clean: loads === 1, seen: String(loads) };
  },
};

const stampedeOverTwo: Hazard = {
  name: `${READERS} cold callers over two processes: loads`,
  try: async ({ here, there }) => {
    // Replicas that are in use, not in their very first moment.
    const warm = () => Promise.resolve('warm');
    await Promise.all([here.read('warm', warm), there.read({ key: 'warm too', value: 'warm' })]);
    let loads = 0;
    const load = async () => {
      loads += 1;
      await pause(LOAD_MS);
      return loads;
    };
    const [theirs] = await Promise.all([
      there.storm({ key: 'cold', readers: READERS / 2, loadMs: LOAD_MS }),
      ...Array.from({ length: READERS / 2 }, () => here.read('cold', load)),
    ]);
    return { clean: loads + theirs === 1, seen: String(loads + theirs) };
  },
};

const refillRace: Hazard = {
  name: 'invalidated while it is loaded: next reader gets',
  try: async ({ here, there }) => {
    let stored = 'old';
    let begun!: () => void;
    let end!: () => void;
    const loading = new Promise<void>((resolve) => (begun = resolve));
    const over = new Promise<void>((resolve) => (end = resolve));
    const slow = here.read('raced', async () => {
      const value = stored;
      begun();
      await over;
      return value;
    });
    await loading;
    stored = 'new';
    await there.invalidate('raced');
    end();
    await slow;
    return fresh(await here.read('raced', () => Promise.resolve(stored)));
  },
};

const secondReplica: Hazard = {
  name: 'invalidated by one replica: the other one gives',
  try: async ({ here, there }) => {
    await there.read({ key: 'shared', value: 'old' });
    await here.read('shared', () => Promise.resolve('old'));
    await here.invalidate('shared');
    return fresh(await there.read({ key: 'shared', value: 'new' }));
  },
};

const viewers: Hazard = {
  name: 'one viewer after another on one page: the second gets',
  try: async ({ here }) => {
    const own = await here.secondViewerGetsOwnPage?.();
    return own === undefined ? undefined : { clean: own, seen: own ? 'their own' : "the first one's" };
  },
};

const frozen: Hazard = {
  name: 'Redis frozen (SIGSTOP): a read takes',
  try: async ({ here, redis }) => {
    await here.read('warm', () => Promise.resolve('warm'));
    redis.freeze();
    try {
      const since = performance.now();
      const read = here.read('cold', () => Promise.resolve('loaded')).then(() => 'answered');
      const seen = await Promise.race([read, pause(HANGING_MS, 'hangs', { ref: false })]);
      const ms = performance.now() - since;
      return seen === 'hangs'
        ? { clean: false, seen: `over ${HANGING_MS / 1_000} s` }
        : { clean: ms < LONGEST_MS, seen: ms < LONGEST_MS ? 'under 1 s' : `${(ms / 1_000).toFixed(1)} s` };
    } finally {
      redis.thaw();
    }
  },
};

const killed: Hazard = {
  name: 'Redis killed: reads',
  try: async ({ here, redis }) => {
    await here.read('warm', () => Promise.resolve('warm'));
    await redis.kill();
    await pause(300);
    const read = here
      .read('cold', () => Promise.resolve('loaded'))
      .then(
        () => 'are answered',
        (error: unknown) => `fail: ${error instanceof Error ? error.name : String(error)}`,
      );
    const seen = await Promise.race([read, pause(HANGING_MS, 'hang', { ref: false })]);
    return { clean: seen === 'are answered', seen };
  },
};

const reset: Hazard = {
  name: "reset: another application's keys in that Redis",
  try: async ({ here, redis }) => {
    const other = createClient({ url: redis.url });
    await other.connect();
    await other.set('another:application', 'needs this');
    await here.read('own', () => Promise.resolve(1));
    await here.reset();
    const left = await other.get('another:application');
    await other.disconnect();
    return { clean: left !== null, seen: left === null ? 'are gone' : 'are left' };
  },
};

const nothing: Hazard = {
  name: 'a load that finds null, read twice: loads',
  try: async ({ here }) => {
    let loads = 0;
    const load = () => {
      loads += 1;
      return Promise.resolve(null);
    };
    try {
      for (let time = 0; time < 2; time++) await here.read('none', load);
    } catch (error) {
      return { clean: false, seen: `fails: ${error instanceof Error ? error.name : String(error)}` };
    }
    return { clean: loads === 1, seen: String(loads) };
  },
};

function fresh(value: unknown): Outcome {
  return { clean: value === 'new', seen: `the ${String(value)} value` };
}

export const hazards: readonly Hazard[] = [
  stampede,
  stampedeOverTwo,
  refillRace,
  secondReplica,
  viewers,
  frozen,
  killed,
  reset,
  nothing,
];
