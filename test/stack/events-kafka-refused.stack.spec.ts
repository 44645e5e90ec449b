// needs: kafka
import type { KafkaCluster } from '@rookery/devstack/testing';
import type { Events } from '@rookery/events';
import { recorderKeys, writeKeys } from '@rookery/events/testing';
import { noopMeter, type Meter } from '@rookery/kernel';
import { until } from '../support/until.js';
import { fillDiskOf } from './support/full-disk.js';
import { KafkaSite, NOTHING_WRONG, testKafka, WITH_RULES, type Refusal } from './support/kafka-site.js';

interface Trouble {
  readonly part: string;
  readonly code: string;
  readonly reason: string;
}

const REFUSED = 'RK_EVENTS_KAFKA_REFUSED';
const AWAY = 'RK_EVENTS_KAFKA_AWAY';
const RELAYS = ['relay of s1', 'relay of s2'];
const GROUPS = ['group many', 'group one'];
/** Of each part after its first, before it is allowed again; and the waits between these, as short as they may be. */
const TRIES = { relay: 5, consumer: 2 };
const WAITS_MS = { relay: 100 + 200 + 400 + 800, consumer: 400 };

describe('events that Kafka does not take or give', () => {
  let cluster: KafkaCluster;
  let site: KafkaSite;
  let events: Events;
  let written = 0;
  const keys = recorderKeys(30);
  const tries = { relay: 0, consumer: 0 };
  /** Counts the clients that the relay and the consumers give up. */
  const meter: Meter = {
    ...noopMeter,
    counter: ({ name }) => ({
      add: (count = 1, labels = {}) => {
        if (name === 'rookery_events_kafka_rebuilds_total') tries[labels.part as keyof typeof tries] += count;
      },
    }),
  };
  beforeAll(async () => {
    cluster = await testKafka(WITH_RULES);
    site = await KafkaSite.make(cluster.brokers);
    await site.createTopics();
    events = await site.replica({ meter });
  });
  afterAll(async () => {
    await site?.close();
    await cluster?.stop();
  });
  beforeEach(async () => {
    await write(60);
    await expectAll();
    site.warnings.length = 0;
  });
  afterEach(() => site.allow());

  const write = async (writes: number): Promise<void> => {
    const { failed } = await writeKeys({ shards: site.shards, keys, writers: 8, writes });
    expect(failed).toBe(0);
    written += writes;
  };
  const troubles = async (of = events): Promise<readonly Trouble[]> => {
    const { status, details } = await of.probe.check(1_000);
    const all = (details?.kafka ?? []) as readonly Trouble[];
    // What was held up for long is late for a moment after that.
    expect(status).toBe(all.length === 0 && !details?.late ? 'up' : 'degraded');
    return all;
  };
  const partsWith = async (code: string, of = events): Promise<string[]> =>
    (await troubles(of))
      .filter((one) => one.code === code)
      .map(({ part }) => part)
      .sort();
  const untilTold = (code: string, parts: readonly string[], of = events): Promise<void> =>
    until(`${code} to be told of ${parts.join()}`, async () => {
      const told = await partsWith(code, of);
      return parts.every((part) => told.includes(part));
    });
  const expectAll = async (): Promise<void> => {
    for (const group of ['one', 'many']) {
      expect(await site.verdict(group, 40_000)).toMatchObject({ written, seen: written, ...NOTHING_WRONG });
    }
    await until('the replica to be well', async () => (await troubles()).length === 0);
    for (const group of ['one', 'many', 'kafka']) expect(await site.parked(group)).toEqual([]);
  };
  const expectToldOnce = (part: string): void => {
    const warnings = site.warnings.filter((one) => one.includes(`${part} `));
    expect(warnings.filter((one) => one.includes('is held up'))).toHaveLength(1);
    // That offsets are not committed is a second thing to say.
    expect(warnings.length).toBeLessThanOrEqual(2);
  };

  it.each<[string, Refusal, keyof typeof tries, string[], string]>([
    ['to write', 'writing', 'relay', RELAYS, 'TOPIC_AUTHORIZATION_FAILED'],
    ['to read', 'reading', 'consumer', GROUPS, 'TOPIC_AUTHORIZATION_FAILED'],
    ['of its groups', 'the groups', 'consumer', GROUPS, 'GROUP_AUTHORIZATION_FAILED'],
  ])('for want of the right %s wait, told of once, and go on with it', async (_, what, by, parts, reason) => {
    await site.refuse(what);
    await write(100);
    await untilTold(REFUSED, parts);
    const [before, began] = [tries[by], performance.now()];
    await until('it to be tried again and again', async () => {
      // However often it is tried, and some of it goes well, until it is allowed nobody takes it for well.
      expect(await partsWith(REFUSED)).toEqual(parts);
      return tries[by] - before >= TRIES[by] * parts.length;
    });
    expect(performance.now() - began).toBeGreaterThan(WAITS_MS[by]);
    for (const one of await troubles()) expect(one.reason).toContain(reason);
    for (const part of parts) expectToldOnce(part);
    await site.allow();
    await write(100);
    await expectAll();
  });

  it('for want of any right on their topic keep no replica from starting', async () => {
    await site.refuse('the topic');
    // Until the broker knows of it.
    await untilTold(REFUSED, GROUPS);
    const second = await site.replica({ meter });
    try {
      await write(100);
      await untilTold(REFUSED, ['the cluster'], second);
      await site.allow();
      await expectAll();
      await until('the second one to be well', async () => (await troubles(second)).length === 0);
    } finally {
      await site.stop(second);
    }
  });

  it('for want of room on its disk wait while it is away, and go on when there is some', async () => {
    await fillDiskOf(cluster.pids[0]!);
    // It does when it has something to write.
    const hasGivenUp = async (): Promise<boolean> => {
      await write(20);
      return cluster.pids[0] === undefined;
    };
    await until('the broker to give up', hasGivenUp, 60_000);
    await write(100);
    await untilTold(AWAY, [...RELAYS, ...GROUPS]);
    for (const part of [...RELAYS, ...GROUPS]) expectToldOnce(part);
    await cluster.start(0);
    await write(100);
    await expectAll();
  });
});
