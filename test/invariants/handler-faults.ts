import { setTimeout as pause } from 'node:timers/promises';
import { RECORDER_GROUPS, verdictOn, type Misbehaviour } from '@rookery/events/testing';
import type { Shards } from '@rookery/sharding';
import { until } from '../support/until.js';
import type { Fault } from './fault.js';
import type { Scene } from './scene.js';

const FAULT_MS = 2_000;
/** Events of other keys that each group sees meanwhile: far more are written. */
const ENOUGH = 50;

/** What handlers do. */
export const handlerFaults: readonly Fault[] = [
  {
    name: 'poison-event',
    about: 'events of some keys fail until they are mended: the keys wait, and the others go on',
    inject: (scene) => onlyTheirKeysWait(scene, (keys) => ({ fails: keys })),
  },
  {
    name: 'handler-hangs',
    about: 'handlers of some keys never come to an end: the keys wait, and the others go on',
    setup: { options: { timeoutMs: 250 } },
    inject: (scene) => onlyTheirKeysWait(scene, (keys) => ({ hangs: keys })),
  },
  {
    name: 'handler-slow',
    about: 'handlers are slower than what is written',
    inject: async (scene) => {
      await scene.misbehave({ slowMs: 120 });
      await pause(FAULT_MS);
      await scene.misbehave({});
    },
  },
];

async function onlyTheirKeysWait(
  scene: Scene,
  wrong: (keys: readonly string[]) => Misbehaviour,
): Promise<void> {
  const { shards, keys } = scene.load;
  const [bad, good] = [keys.slice(0, 2), keys.slice(2)];
  const seen = async (which: readonly string[]) =>
    Promise.all(RECORDER_GROUPS.map(async (group) => (await verdictOn(shards, group, which)).seen));
  await scene.misbehave(wrong(bad));
  await untilOver(shards);
  const [badBefore, goodBefore] = [await seen(bad), await seen(good)];
  await pause(FAULT_MS);
  await until('both groups to have seen events of other keys meanwhile', async () =>
    (await seen(good)).every((count, i) => count - goodBefore[i]! >= ENOUGH),
  );
  const badAfter = await seen(bad);
  await scene.misbehave({});
  RECORDER_GROUPS.forEach((group, i) => {
    if (badAfter[i] !== badBefore[i]) throw new Error(`group ${group} went on in a key whose events fail`);
  });
}

/** Resolves when what handlers had begun before they were told has ended. */
async function untilOver(shards: Shards): Promise<void> {
  const [told] = await shards.queryShard<{ at: string }>(shards.shardNames[0]!, {
    text: 'SELECT clock_timestamp()::text AS at',
  });
  await until('what was under way to end', async () => {
    const open = await shards.scatter<{ pid: number }>({
      text: `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND backend_type = 'client backend' AND xact_start < $1::timestamptz`,
      values: [told!.at],
    });
    return open.flat().length === 0;
  });
}
