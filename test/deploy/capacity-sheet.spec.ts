import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planCapacity, type CapacityFacts } from '@rookery/cli';

/** docs/guides/capacity.md says what the command computes. */
const sheet = readFileSync(join(import.meta.dirname, '../../docs/guides/capacity.md'), 'utf8');
const rows = (columns: number): string[][] =>
  sheet
    .split('\n')
    .filter((line) => /^\|\s+\d/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter((cells) => cells.length === columns);

function facts(replicas: number, poolMax: number, shards: number, heapMiB = 256): CapacityFacts {
  const names = Array.from({ length: shards }, (_, i) => `s${i + 1}`);
  const server = { server: 'pg:5432', shards: names, maxConnections: 100, reserved: 3, asked: true };
  return {
    replicas,
    poolMax,
    servers: [server],
    pooled: false,
    topics: undefined,
    heapMiB,
    memoryMiB: 10_000,
  };
}

describe('the capacity sheet', () => {
  it.each(rows(5))(
    '%s replicas, pools of %s, %s shards: %s connections, fits: %s',
    (replicas, pool, shards, wanted, fits) => {
      const plan = planCapacity(facts(Number(replicas), Number(pool), Number(shards)));
      expect(plan.connections[0]!.needed).toBe(Number(wanted));
      expect(plan.warnings.length === 0 ? 'yes' : 'no').toBe(fits);
    },
  );

  it.each(rows(4))('a heap of %s MiB, %s shards, pools of %s: %s', (heap, shards, pool, memory) => {
    const plan = planCapacity(facts(1, Number(pool), Number(shards), Number(heap)));
    expect(`${plan.memory.needed} MiB`).toBe(memory);
  });

  it('has both tables', () => {
    expect([rows(5).length, rows(4).length]).toEqual([8, 4]);
  });
});
