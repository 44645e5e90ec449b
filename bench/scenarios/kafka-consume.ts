import type { KafkaCluster } from '@rookery/devstack/testing';
import type { KafkaOptions } from '@rookery/events';
import { handlingMany, testEvents } from '@rookery/events/testing';
import { Shards } from '@rookery/sharding';
import { KafkaPgConsumer } from '../baselines/kafka-pg-consumer.js';
import { KafkaRelay } from '../baselines/kafka-relay.js';
import { benchBroker, benchTopic } from '../broker.js';
import { cpuOfTree } from '../cpu.js';
import { benchDatabases, eachDatabase } from '../databases.js';
import { agreeOnEffects, benchSchema, effects, fillLog, thingChanged } from '../events/log.js';
import type { Round, Scenario, Side } from '../harness.js';

const EVENTS = 60_000;
const SENT_AT_ONCE = 1_000;
const GOAL_PER_SECOND = 10_000;

/** Handles the whole topic with a new group, and tells of each batch that is committed. */
type Consume = (group: string, onApplied: (count: number) => void) => Promise<void>;

export const kafkaConsume: Scenario = {
  name: 'kafka-consume',
  about: `events of a topic handled in batches, a row of effect each, against kafkajs and pg by hand (goal ${GOAL_PER_SECOND}/s)`,
  run: async (report) => {
    const databases = await benchDatabases(1, benchSchema);
    const [url] = databases.urls as [string];
    const shards = new Shards({ shards: [{ url }], migrations: benchSchema });
    let cluster: KafkaCluster | undefined;
    let byHand: KafkaPgConsumer | undefined;
    try {
      await shards.start();
      cluster = await benchBroker();
      const { brokers } = cluster;
      const { kafka, topic } = await benchTopic(brokers, 'consume');
      await fillTopic(url, kafka, topic);
      byHand = new KafkaPgConsumer(url, brokers);
      await byHand.open();
      const baseline = byHand;
      const ours: Consume = (group, onApplied) => handleAll(shards, kafka, group, onApplied);
      const plain: Consume = (group, onApplied) => baseline.consume(topic, group, EVENTS, onApplied);
      for (const consume of [ours, plain]) await consume('agreeing', () => undefined);
      await agreeOnEffects(url, EVENTS);
      await report.compare(
        'kafka-consume',
        'batches',
        consuming(ours, databases.serverPid),
        consuming(plain, databases.serverPid),
      );
      const { operations, seconds } = await consuming(ours, databases.serverPid)();
      const rate = operations / seconds;
      report.add('kafka-consume', 'events, baseline is the goal', rate, GOAL_PER_SECOND, '1/s', true);
    } finally {
      await byHand?.close();
      await shards.close();
      await cluster?.stop();
      await databases.close();
    }
  },
};

/** The topic holds what a relay would have sent, and the log has nothing left to send. */
async function fillTopic(url: string, kafka: KafkaOptions, topic: string): Promise<void> {
  await fillLog(url, EVENTS);
  const relay = new KafkaRelay(kafka.brokers, '/bench');
  await relay.open(url);
  const batches = new Array<number>(EVENTS / SENT_AT_ONCE).fill(SENT_AT_ONCE);
  await relay.send(topic, batches, () => undefined);
  await relay.close();
  await eachDatabase([url], (client) => client.query('TRUNCATE rookery_event').then(() => undefined));
}

/** A replica that handles the whole topic with a new group, from start to stop. */
async function handleAll(
  shards: Shards,
  kafka: KafkaOptions,
  group: string,
  onApplied: (count: number) => void,
): Promise<void> {
  let handled = 0;
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => (tell = resolve));
  const events = testEvents(
    shards,
    [
      handlingMany(thingChanged, { group }, async (batch, tx) => {
        tx.send(effects(batch, group));
        tx.afterCommit(() => {
          onApplied(batch.length);
          handled += batch.length;
          if (handled >= EVENTS) tell();
        });
      }),
    ],
    { kafka },
  );
  await events.start();
  await told;
  await events.stop();
}

let groups = 0;

/** Rounds count from the first batch to the last: to join a group takes seconds, which are not measured here. */
function consuming(consume: Consume, serverPid: number): Side {
  return async () => {
    let applied = 0;
    let begin: { at: number; cpu: NodeJS.CpuUsage; postgres: number; applied: number } | undefined;
    let round: Round | undefined;
    await consume(`round-${(groups += 1)}`, (count) => {
      applied += count;
      begin ??= { at: performance.now(), cpu: process.cpuUsage(), postgres: cpuOfTree(serverPid), applied };
      if (applied < EVENTS || round) return;
      const { user, system } = process.cpuUsage(begin.cpu);
      round = {
        operations: applied - begin.applied,
        seconds: (performance.now() - begin.at) / 1000,
        cpuMs: (user + system) / 1000,
        postgresMs: cpuOfTree(serverPid) - begin.postgres,
      };
    });
    if (!round) throw new Error(`${applied} of ${EVENTS} events were applied`);
    return round;
  };
}
