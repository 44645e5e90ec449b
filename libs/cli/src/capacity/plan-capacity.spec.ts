import { planCapacity, type CapacityFacts } from './plan-capacity.js';

const server = { server: 'pg:5432', shards: ['s1'], maxConnections: 100, reserved: 3, asked: true };
const facts: CapacityFacts = {
  replicas: 3,
  poolMax: 10,
  servers: [server],
  pooled: false,
  topics: undefined,
  heapMiB: 256,
  memoryMiB: 512,
};

describe('the capacity plan', () => {
  it('counts a pool and a watcher of each replica and of one more, and tools', () => {
    const { connections, warnings } = planCapacity(facts);
    expect(connections).toMatchObject([{ needed: 4 * 11 + 4, available: 97 }]);
    expect(warnings).toEqual([]);
  });

  it('adds up the shards of one server, and proposes what fits', () => {
    const shared = { ...facts, servers: [{ ...server, shards: ['s1', 's2', 's3'] }] };
    const { connections, warnings } = planCapacity(shared);
    expect(connections[0]!.needed).toBe(144);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^pg:5432 takes 97 connections, and 144 .* POOL_MAX=6 fits, or max_connections=147/,
      ),
    ]);
    expect(planCapacity({ ...shared, poolMax: 6 }).warnings).toEqual([]);
    expect(planCapacity({ ...shared, poolMax: 7 }).warnings).toHaveLength(1);
    expect(
      planCapacity({ ...shared, servers: [{ ...shared.servers[0]!, maxConnections: 147 }] }).warnings,
    ).toEqual([]);
  });

  it('warns at the connection that is one too many, and not before', () => {
    const at = (maxConnections: number) =>
      planCapacity({ ...facts, servers: [{ ...server, maxConnections }] }).warnings.length;
    expect([at(51), at(50)]).toEqual([0, 1]);
  });

  it('leaves PostgreSQL alone behind PgBouncer', () => {
    expect(
      planCapacity({ ...facts, replicas: 100, memoryMiB: 999, pooled: true, topics: [] }).warnings,
    ).toEqual([]);
  });

  it('tells of replicas that get no partition, and of lanes where there is no Kafka', () => {
    const few = planCapacity({
      ...facts,
      topics: [
        { topic: 'a', partitions: 2 },
        { topic: 'b', partitions: 16 },
      ],
    });
    expect(few.work).toEqual([
      { what: 'partitions of a', parts: 2, each: '0 or 1' },
      { what: 'partitions of b', parts: 16, each: '5 or 6' },
    ]);
    expect(few.warnings).toEqual([
      expect.stringContaining('2 partitions of a for 3 replicas: 1 replica has none'),
    ]);
    expect(planCapacity(facts).work).toEqual([{ what: 'lanes of each group', parts: 16, each: '5 or 6' }]);
  });

  it('tells of memory that a replica does not have, and which heap would fit', () => {
    const { memory, warnings } = planCapacity({ ...facts, memoryMiB: 384 });
    expect(memory.needed).toBe(256 + 96 + 3 + 38);
    expect(warnings).toEqual([expect.stringContaining('--max-old-space-size=247 fits')]);
    expect(planCapacity({ ...facts, memoryMiB: 384, heapMiB: 247 }).warnings).toEqual([]);
    expect(planCapacity({ ...facts, memoryMiB: 128 }).warnings).toEqual([
      expect.stringContaining('it needs a limit of 393'),
    ]);
  });
});
