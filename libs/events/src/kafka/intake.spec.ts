import { testDatabases } from '@rookery/devstack/testing';
import { newId, noopMeter, type Id } from '@rookery/kernel';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import { EventRegistry } from '../definition/event-registry.js';
import type { ReceivedEvent } from '../definition/stored-event.js';
import { Group, type Handler } from '../handling/handler.js';
import { HandlerRunner } from '../handling/handler-runner.js';
import { Parking } from '../handling/parking.js';
import { RetryPolicy } from '../handling/retry-policy.js';
import { eventsSchema } from '../events.schema.js';
import { recorded } from '../testing/index.js';
import { encode } from './cloud-event.js';
import { Intake } from './intake.js';

const TOPIC = 'rookery.recorder';
const KEY = newId(77);
const heard = (): Promise<void> => Promise.resolve();

/** A message with version `version` of the key. */
function message(version: number, id: Id = newId(77)): KafkaMessage {
  const { key, value, headers } = encode(
    {
      id,
      type: recorded.type,
      version: 1,
      topic: TOPIC,
      key: KEY,
      slot: 77,
      payload: JSON.stringify({ key: KEY, version, writer: 0 }),
      headers: null,
      publishedAt: Date.now(),
      position: '',
    },
    '/test',
  );
  return {
    key: Buffer.from(key as string),
    value: Buffer.from(value as string),
    headers: headers!,
    timestamp: String(Date.now()),
    attributes: 0,
    offset: '',
  };
}

describe('what a consumer brings', () => {
  let cluster: TestShards;
  let seen: number[];
  /** What the handler meets before it has its effect. */
  let before: (versions: readonly number[]) => Promise<void>;
  let runner: HandlerRunner;
  let intake: Intake;
  let warnings: string[];
  const resolved: string[] = [];

  beforeAll(async () => {
    cluster = await testShards({ databases: testDatabases, migrations: eventsSchema });
  });
  afterAll(() => cluster.close());

  beforeEach(() => {
    [seen, warnings, before] = [[], [], () => Promise.resolve()];
    resolved.splice(0);
    const group = new Group(`g-${newId(0).slice(-12)}`);
    const handler: Handler = {
      name: 'test',
      group: group.name,
      definition: recorded,
      batch: true,
      readAfterWrite: false,
      onExhausted: 'hold',
      timeoutMs: 30_000,
      at: undefined,
      invoke: async (given, tx) => {
        const versions = (given as ReceivedEvent<{ version: number }>[]).map(({ data }) => data.version);
        await before(versions);
        tx.afterCommit(() => seen.push(...versions));
      },
    };
    group.add(handler, 1);
    const retries = new RetryPolicy({ firstWaitMs: 1 });
    const parking = new Parking(cluster.shards, group.name, retries);
    runner = new HandlerRunner({
      shards: cluster.shards,
      registry: new EventRegistry([recorded]),
      group,
      parking,
      retries,
      meter: noopMeter,
      awaitsOf: () => undefined,
      onApplied: () => undefined,
      onFailure: () => undefined,
    });
    intake = new Intake({
      group,
      runner,
      parking,
      retries,
      topicPrefix: '',
      maxBatch: 100,
      readAhead: 5,
      heartbeatMs: 20,
      onWarning: (warning) => warnings.push(warning),
    });
    intake.assign({ [TOPIC]: [0] }, () => Promise.resolve());
  });
  afterEach(async () => {
    intake.stopTaking();
    runner.stop();
    await intake.drain(30_000);
  });

  /** A batch that was fetched from an offset on. */
  const batch = (from: number, messages: readonly KafkaMessage[], heartbeat = heard): EachBatchPayload =>
    ({
      batch: {
        topic: TOPIC,
        partition: 0,
        fetchedOffset: String(from),
        highWatermark: String(from + messages.length),
        messages: messages.map((one, i) => ({ ...one, offset: String(from + i) })),
        lastOffset: () => String(from + messages.length - 1),
      },
      resolveOffset: (offset: string) => resolved.push(offset),
      heartbeat,
      isRunning: () => true,
    }) as unknown as EachBatchPayload;
  const take = (from: number, versions: readonly number[], heartbeat = heard): Promise<void> =>
    intake.take(
      batch(
        from,
        versions.map((version) => message(version)),
        heartbeat,
      ),
    );
  const idle = (): Promise<boolean> => intake.drain(30_000);
  const offsets = (): (string | undefined)[] => intake.committable().map(({ offset }) => offset);

  it('is applied in order, and commits what is dealt with', async () => {
    await take(10, [1, 2, 3]);
    await until(() => offsets()[0] === '13');
    expect([seen, resolved, offsets()]).toEqual([[1, 2, 3], ['10', '11', '12'], ['13']]);
  });

  it('is applied once, though it comes twice in a batch', async () => {
    const twice = [1, 2].map((version) => message(version));
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    before = () => gate;
    await take(0, [0]);
    await intake.take(batch(1, [...twice, ...twice]));
    open();
    await until(() => offsets()[0] === '5');
    expect(seen).toEqual([0, 1, 2]);
  });

  it('of types that nobody of the group handles is passed over, and of no type is parked', async () => {
    const [other, none] = [message(1), message(2)];
    other.headers = { ...other.headers, ce_type: 'rookery.recorder.unheard' };
    none.headers = {};
    await intake.take(batch(0, [other, none]));
    await until(() => offsets()[0] === '2');
    expect([seen, warnings]).toEqual([[], [`a message of ${TOPIC} at 0:1 is parked`]]);
  });

  it('that nobody can read is parked by itself, whatever type it says it has', async () => {
    const bad = [message(1), message(2)];
    for (const one of bad) one.headers = { ...one.headers, ce_dataversion: 'none' };
    await intake.take(batch(0, [...bad, message(3)]));
    await until(() => offsets()[0] === '3');
    expect([seen, warnings]).toEqual([
      [],
      [`a message of ${TOPIC} at 0:0 is parked`, `a message of ${TOPIC} at 0:1 is parked`],
    ]);
  });

  it('commits nothing of what is left at the end, nor applies what comes after it', async () => {
    let tries = 0;
    before = async (versions) => {
      if (!versions.includes(1)) return;
      tries += 1;
      throw Object.assign(new Error('shutting down'), { code: '57P01' });
    };
    await take(0, [1]);
    await take(1, [2, 3]);
    await until(() => tries > 0);
    runner.stop();
    await until(() => intake.pending === 0);
    expect([seen, offsets()]).toEqual([[], []]);
  });

  it('waits for room, and is heard of meanwhile', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    before = () => gate;
    let heartbeats = 0;
    const taken = take(0, [1, 2, 3, 4, 5, 6, 7, 8], () => Promise.resolve(void (heartbeats += 1)));
    await until(() => heartbeats >= 3);
    expect(resolved).toHaveLength(5);
    open();
    await taken;
    await until(() => offsets()[0] === '8');
    expect([seen, offsets()]).toEqual([[1, 2, 3, 4, 5, 6, 7, 8], ['8']]);
  });

  it('gives way where the group is joined anew while it waits', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    before = () => gate;
    await take(0, [1, 2, 3, 4, 5, 6, 7, 8], () => Promise.reject(new Error('rebalancing')));
    expect(resolved).toHaveLength(5);
    open();
  });

  it('that was fetched before the group was joined anew is not taken: it would bring later events first', async () => {
    await take(0, [1, 2]);
    await until(() => offsets()[0] === '2');
    await idle();
    intake.assign({ [TOPIC]: [0] }, () => Promise.resolve(intake.begin(TOPIC, 0, 2n, false)));
    await take(7, [8, 9]);
    await take(2, [3, 4]);
    await until(() => offsets()[0] === '4');
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('goes on where messages are gone, and says so', async () => {
    await take(0, [1]);
    await take(5, [6]);
    await take(5, [6]);
    await until(() => offsets()[0] === '6');
    expect(warnings[0]).toMatch(
      /goes on at 5 in rookery.recorder\[0\]: what it had to read from 1 on is gone/,
    );
  });

  async function until(true_: () => boolean): Promise<void> {
    const end = performance.now() + 30_000;
    while (!true_()) {
      if (performance.now() > end)
        throw new Error(`in vain: ${JSON.stringify({ seen, resolved, warnings })}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
});
