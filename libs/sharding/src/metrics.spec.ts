import { setTimeout as pause } from 'node:timers/promises';
import { testDatabases } from '@rookery/devstack/testing';
import { newId, type Labels, type Meter } from '@rookery/kernel';
import { testShards } from './testing/test-shards.js';
import { insertThing, Thing, things } from './testing/thing.js';
import { STEADY } from './testing/time.js';

/** Keeps what it is told, by name and labels. */
class RecordingMeter implements Meter {
  readonly values = new Map<string, number>();
  readonly gauges = new Map<string, () => Iterable<{ value: number; labels?: Labels }>>();

  counter({ name }: { name: string }) {
    return { add: (value = 1, labels?: Labels) => this.add(name, value, labels) };
  }

  histogram({ name }: { name: string }) {
    return { observe: (_: number, labels?: Labels) => this.add(name, 1, labels) };
  }

  gauge({ name }: { name: string }, read: () => Iterable<{ value: number; labels?: Labels }>) {
    this.gauges.set(name, read);
    return () => void this.gauges.delete(name);
  }

  private add(name: string, value: number, labels: Labels = {}): void {
    const key = `${name}{${Object.values(labels).join()}}`;
    this.values.set(key, (this.values.get(key) ?? 0) + value);
  }
}

describe('what the shards measure', () => {
  it('is told to the meter, with bounded labels, and no longer once they are closed', async () => {
    const meter = new RecordingMeter();
    const cluster = await testShards({
      databases: testDatabases,
      migrations: [things],
      entities: [Thing],
      meter,
      ...STEADY,
    });
    const id = newId(7);
    await cluster.shards.transaction(id, async (tx) => tx.send(insertThing(id, 'x')));
    await cluster.shards.transaction(id, () => Promise.reject(new Error('no'))).catch(() => undefined);
    const client = await cluster.client();
    await client.query(`UPDATE rookery_slot SET epoch = 2 WHERE slot = 7`);
    await cluster.shards.transaction(id, () => Promise.resolve());
    const { values } = meter;
    expect(values.get('rookery_sharding_transactions_total{s1,committed}')).toBe(2);
    expect(values.get('rookery_sharding_transactions_total{s1,rolled-back}')).toBeGreaterThanOrEqual(1);
    expect(values.get('rookery_sharding_transaction_seconds{s1}')).toBeGreaterThanOrEqual(3);
    expect(values.get('rookery_sharding_pool_wait_seconds{s1}')).toBeGreaterThanOrEqual(3);
    // The loop takes its first turn beside all this.
    while (!values.get('rookery_loop_turns_total{slot-map,ok}')) await pause(5);
    const gauge = (name: string) => [...meter.gauges.get(name)!()];
    expect(gauge('rookery_sharding_slots')).toEqual([
      { value: 2_048, labels: { shard: 's1' } },
      { value: 2_048, labels: { shard: 's2' } },
    ]);
    expect(gauge('rookery_sharding_pool_connections')).toContainEqual({
      value: 1,
      labels: { shard: 's1', state: 'idle' },
    });
    for (const { value } of gauge('rookery_sharding_slot_map_age_seconds')) expect(value).toBeLessThan(10);
    for (const key of values.keys()) expect(key).not.toContain(id);
    await cluster.close();
    expect([...meter.gauges.keys()].filter((name) => name.startsWith('rookery_sharding'))).toEqual([]);
  }, 60_000);
});
