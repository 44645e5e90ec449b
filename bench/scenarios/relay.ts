import type { KafkaCluster } from '@rookery/devstack/testing';
import { forgetGroup, type KafkaOptions } from '@rookery/events';
import { testEvents } from '@rookery/events/testing';
import { noopMeter, type Meter } from '@rookery/kernel';
import { Shards } from '@rookery/sharding';
import { KafkaRelay } from '../baselines/kafka-relay.js';
import { benchBroker, benchTopic, messagesOf, type BenchTopic } from '../broker.js';
import { benchDatabases } from '../databases.js';
import { benchSchema, fillLog, thingChanged } from '../events/log.js';
import { median, type Round, type Scenario, type Side } from '../harness.js';

const EVENTS = 60_000;

/** Sends the whole log by this configuration, and tells of each batch that was acknowledged. */
type Send = (to: BenchTopic, onSent: (count: number) => void) => Promise<void>;

export const relay: Scenario = {
  name: 'relay',
  about:
    'events of the log to a broker, against kafkajs by hand sending what is in memory, in the same batches',
  run: async (report) => {
    const databases = await benchDatabases(1, benchSchema);
    const [url] = databases.urls as [string];
    const shards = new Shards({ shards: [{ url }], migrations: benchSchema });
    let cluster: KafkaCluster | undefined;
    let baseline: KafkaRelay | undefined;
    try {
      await fillLog(url, EVENTS);
      await shards.start();
      cluster = await benchBroker();
      const { brokers } = cluster;
      baseline = new KafkaRelay(brokers, '/bench');
      await baseline.open(url);
      const byHand = baseline;
      let sizes: readonly number[] = [];
      const ours: Send = async ({ kafka }, onSent) => {
        sizes = await relayAll(shards, kafka, onSent);
      };
      const plain: Send = ({ topic }, onSent) => byHand.send(topic, sizes, onSent);
      await mustAgree(brokers, ours, plain);
      const side = (send: Send, name: string): Side => sending(send, brokers, name);
      await report.compare('relay', 'events', side(ours, 'ours'), side(plain, 'by-hand'));
      report.say(`relay: batches of ${median(sizes)} events at the median, ${sizes.length} of them`);
    } finally {
      await baseline?.close();
      await shards.close();
      await cluster?.stop();
      await databases.close();
    }
  },
};

/** A replica whose relay sends the whole log, from start to stop. Gives the sizes of its batches. */
async function relayAll(
  shards: Shards,
  kafka: KafkaOptions,
  onSent: (count: number) => void,
): Promise<readonly number[]> {
  const sizes: number[] = [];
  let left = EVENTS;
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => (tell = resolve));
  const meter: Meter = {
    ...noopMeter,
    counter: (options) =>
      options.name !== 'rookery_events_relayed_total'
        ? noopMeter.counter(options)
        : {
            add: (count = 1) => {
              sizes.push(count);
              onSent(count);
              left -= count;
              if (left <= 0) tell();
            },
          },
  };
  const events = testEvents(shards, [], { events: [thingChanged], kafka, meter });
  await events.start();
  await told;
  await events.stop();
  await forgetGroup(shards, 'kafka');
  return sizes;
}

/** Rounds count from the first batch to the last: how soon a replica begins is not what is measured here. */
function sending(send: Send, brokers: readonly string[], name: string): Side {
  let to: BenchTopic | undefined;
  return async () => {
    to ??= await benchTopic(brokers, name);
    let sent = 0;
    let begin: { at: number; cpu: NodeJS.CpuUsage; sent: number } | undefined;
    let round: Round | undefined;
    await send(to, (count) => {
      sent += count;
      begin ??= { at: performance.now(), cpu: process.cpuUsage(), sent };
      if (sent < EVENTS || round) return;
      const { user, system } = process.cpuUsage(begin.cpu);
      round = {
        operations: sent - begin.sent,
        seconds: (performance.now() - begin.at) / 1000,
        cpuMs: (user + system) / 1000,
      };
    });
    if (!round) throw new Error(`${sent} of ${EVENTS} events were sent`);
    return round;
  };
}

/** The same messages have to lie in the same partitions, in the same order. */
async function mustAgree(brokers: readonly string[], ours: Send, plain: Send): Promise<void> {
  const found: ReadonlyMap<number, readonly string[]>[] = [];
  for (const [name, send] of [['agree-ours', ours] as const, ['agree-by-hand', plain] as const]) {
    const to = await benchTopic(brokers, name);
    await send(to, () => undefined);
    found.push(await messagesOf(brokers, to.topic, EVENTS));
  }
  const [left, right] = found as [
    ReadonlyMap<number, readonly string[]>,
    ReadonlyMap<number, readonly string[]>,
  ];
  const differing = [...left].find(
    ([partition, lines]) => lines.join('\n') !== right.get(partition)?.join('\n'),
  );
  if (differing || left.size !== right.size) throw new Error('ours and the baseline sent different messages');
}
