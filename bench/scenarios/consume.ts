import { handlingMany, testEvents } from '@rookery/events/testing';
import { Shards } from '@rookery/sharding';
import { PgConsumer } from '../baselines/pg-consumer.js';
import { cpuOfTree } from '../cpu.js';
import { benchDatabases } from '../databases.js';
import { agreeOnEffects, benchSchema, effects, fillLog, thingChanged } from '../events/log.js';
import type { Scenario, Side } from '../harness.js';

const EVENTS = 40_000;
const GOAL_PER_SECOND = 10_000;

export const consume: Scenario = {
  name: 'consume',
  about: `events handled in batches, a row of effect each, against pg by hand doing the same (goal ${GOAL_PER_SECOND}/s)`,
  run: async (report) => {
    const databases = await benchDatabases(1, benchSchema);
    const [url] = databases.urls as [string];
    await fillLog(url, EVENTS);
    const shards = new Shards({ shards: [{ url }], migrations: benchSchema });
    const pgConsumer = new PgConsumer(url);
    try {
      await shards.start();
      await pgConsumer.open();
      await mustAgree(url, shards, pgConsumer);
      let groups = 0;
      const side =
        (consumeAll: (group: string) => Promise<unknown>): Side =>
        async () => {
          const [cpu, postgres, since] = [
            process.cpuUsage(),
            cpuOfTree(databases.serverPid),
            performance.now(),
          ];
          await consumeAll(`round-${(groups += 1)}`);
          const seconds = (performance.now() - since) / 1000;
          const { user, system } = process.cpuUsage(cpu);
          return {
            operations: EVENTS,
            seconds,
            cpuMs: (user + system) / 1000,
            postgresMs: cpuOfTree(databases.serverPid) - postgres,
          };
        };
      const ours = side((group) => handleAll(shards, group));
      await report.compare(
        'consume',
        'batches',
        ours,
        side((group) => pgConsumer.consume(group)),
      );
      const { operations, seconds } = await ours();
      report.add(
        'consume',
        'events, baseline is the goal',
        operations / seconds,
        GOAL_PER_SECOND,
        '1/s',
        true,
      );
    } finally {
      await pgConsumer.close();
      await shards.close();
      await databases.close();
    }
  },
};

/** A replica that handles the whole log with a new group, from start to stop. */
async function handleAll(shards: Shards, group: string): Promise<void> {
  let handled = 0;
  let tell: () => void = () => undefined;
  const told = new Promise<void>((resolve) => (tell = resolve));
  const events = testEvents(shards, [
    handlingMany(thingChanged, { group }, async (batch, tx) => {
      tx.send(effects(batch, group));
      tx.afterCommit(() => {
        handled += batch.length;
        if (handled >= EVENTS) tell();
      });
    }),
  ]);
  await events.start();
  await told;
  await events.stop();
}

async function mustAgree(url: string, shards: Shards, pgConsumer: PgConsumer): Promise<void> {
  await handleAll(shards, 'agreeing');
  await pgConsumer.consume('agreeing');
  await agreeOnEffects(url, EVENTS);
}
