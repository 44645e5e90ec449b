import { setTimeout as pause } from 'node:timers/promises';
import { RECORDER_GROUPS, verdictOn, type Misbehaviour } from '@rookery/events/testing';
import type { Fault } from './fault.js';
import type { Scene } from './scene.js';

/** Time for what was handled before a handler is told to misbehave. */
const TOLD_MS = 300;
const FAULT_MS = 2_000;

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
      scene.misbehave({ slowMs: 120 });
      await pause(FAULT_MS);
      scene.misbehave({});
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
  scene.misbehave(wrong(bad));
  await pause(TOLD_MS);
  const [badBefore, goodBefore] = [await seen(bad), await seen(good)];
  await pause(FAULT_MS);
  const [badAfter, goodAfter] = [await seen(bad), await seen(good)];
  scene.misbehave({});
  RECORDER_GROUPS.forEach((group, i) => {
    if (badAfter[i] !== badBefore[i]) throw new Error(`group ${group} went on in a key whose events fail`);
    if (goodAfter[i]! - goodBefore[i]! < 50) {
      throw new Error(
        `group ${group} has seen ${goodAfter[i]! - goodBefore[i]!} events of other keys meanwhile`,
      );
    }
  });
}
