import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { testDatabases } from '@rookery/devstack/testing';
import type pg from 'pg';
import { prepared } from '../pool/statement.js';
import type { Shards } from '../shards.js';
import { anyChange, sweepAll } from '../testing/busy-with-names.js';
import { FaultyLink } from '../testing/faulty-link.js';
import { faultsOf, NO_FAULTS, randomBelow, type Named } from '../testing/named-things.js';
import { testShards, type TestShards } from '../testing/test-shards.js';
import { STEADY } from '../testing/time.js';
import { Thing, things } from '../testing/thing.js';
import type { DirectoryStep } from './directory.js';

const LEASE_MS = 200;
const NAMES = 60;
const CHANGES = 500;
const STEPS: readonly DirectoryStep[] = [
  'reserved',
  'claimed',
  'committed',
  'confirmed',
  'released',
  'settled',
];
/** What the replicas call themselves that are to die. */
const MORTAL = 'mortal';
const allNamed = prepared('spec.all-named', 'SELECT id, name FROM thing');

let cluster: TestShards;
let clients: pg.Client[];

beforeAll(async () => {
  cluster = await testShards({
    databases: testDatabases,
    migrations: [things],
    entities: [Thing],
    ...STEADY,
  });
  clients = [await cluster.client(0), await cluster.client(1)];
}, 60_000);
afterAll(() => cluster.close());

/** Sweeps beside the writers, like any other replica, until told to stop. */
function sweeping(shards: Shards): () => Promise<void> {
  let stop = false;
  const done = (async () => {
    while (!stop) {
      await shards.directory.sweep();
      await pause(25);
    }
  })();
  return () => {
    stop = true;
    return done;
  };
}

/**
 * A replica that dies at a step: from that moment nothing of it reaches a database any more, whatever its code goes on to
 * do. To the databases that is the death of the process.
 */
async function mortal(
  fatal: DirectoryStep,
  onDeath: () => void,
): Promise<{ shards: Shards; end(): Promise<void> }> {
  const links = await Promise.all(cluster.urls.map((url) => FaultyLink.to(url)));
  const shards = await cluster.another({
    shards: links.map(({ url }) => ({ url })),
    poolMax: 4,
    applicationName: MORTAL,
  });
  shards.directory.leaseMs = LEASE_MS;
  let dead = false;
  let left = 1 + randomBelow(12);
  shards.directory.onStep = async (step) => {
    if (!dead && step === fatal && (left -= 1) === 0) {
      dead = true;
      for (const link of links) link.refuse();
      onDeath();
    }
    if (dead) throw new Error('dead');
    // Now and then slower than the lease.
    if (Math.random() < 0.03) await pause(LEASE_MS * 1.5);
  };
  return {
    shards,
    end: async () => {
      await shards.close();
      await Promise.all(links.map((link) => link.close()));
    },
  };
}

/** What the dead had sent before they died has been done by then, and nothing more comes of them. */
async function allIsDone(): Promise<void> {
  const sessions = `SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE '${MORTAL}%'`;
  for (const client of clients) while ((await client.query(sessions)).rowCount! > 0) await pause(10);
}

describe('no-name-held-twice', () => {
  it('when replicas die at any step, with slow writers and concurrent sweepers', async () => {
    let deaths = 0;
    const outcomes = { done: 0, taken: 0, gone: 0, late: 0, crashed: 0 };
    const total = () => Object.values(outcomes).reduce((a, b) => a + b);
    /** Until then, however many changes it takes: a slow machine is late more often. */
    const enough = () =>
      total() >= CHANGES && deaths >= 2 * STEPS.length && outcomes.done > 100 && outcomes.crashed > 20;
    const sweepers = await Promise.all([cluster.another(), cluster.another()]);
    for (const shards of sweepers) shards.directory.leaseMs = LEASE_MS;
    const stops = sweepers.map(sweeping);
    const ended: Promise<void>[] = [];
    const live = async (fatal: DirectoryStep) => {
      let died = false;
      const replica = await mortal(fatal, () => {
        died = true;
        deaths += 1;
      });
      const worker = async () => {
        while (!died) {
          const known = (await sweepers[0].scatter<Named>(allNamed())).flat();
          const outcome = await anyChange(replica.shards, NAMES, known).catch((error: unknown) => {
            if (!died) throw error;
            return 'crashed' as const;
          });
          outcomes[outcome] += 1;
        }
      };
      await Promise.all([worker(), worker(), worker(), worker()]);
      ended.push(replica.end());
    };
    const livesFrom = async (first: number) => {
      for (let i = first; !enough(); i += 2) await live(STEPS[i % STEPS.length]!);
    };
    await Promise.all([livesFrom(0), livesFrom(1)]);
    await Promise.all(ended);
    await Promise.all(stops.map((stop) => stop()));
    await allIsDone();
    await sweepAll(sweepers[0]);
    const { rows, ...faults } = await faultsOf(clients);
    expect(faults).toEqual(NO_FAULTS);
    expect(rows).toBeGreaterThan(5);
    await Promise.all(sweepers.map((shards) => shards.close()));
  }, 240_000);

  it('when processes are killed with many changes under way', async () => {
    const sweeper = await cluster.another();
    sweeper.directory.leaseMs = LEASE_MS;
    const stop = sweeping(sweeper);
    const script = fileURLToPath(new URL('../testing/names-process.mjs', import.meta.url));
    const run = async () => {
      const settings = [MORTAL, String(LEASE_MS), String(NAMES), ...cluster.urls];
      const child = spawn(process.execPath, [script, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
      let changes = 0;
      child.stdout.on('data', (data: Buffer) => (changes += data.length));
      const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
      expect([code, signal]).toEqual([null, 'SIGKILL']);
      return changes;
    };
    // They die by chance, some before they have done anything.
    for (let changes = 0; changes <= 20;) {
      const made = await Promise.all([run(), run(), run()]);
      changes += made.reduce((a, b) => a + b);
    }
    await stop();
    await allIsDone();
    await sweepAll(sweeper);
    const { rows, ...faults } = await faultsOf(clients);
    expect(faults).toEqual(NO_FAULTS);
    expect(rows).toBeGreaterThan(0);
    await sweeper.close();
  }, 240_000);
});
