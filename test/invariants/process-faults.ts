import { setTimeout as pause } from 'node:timers/promises';
import type { Fault } from './fault.js';

/** What happens to the processes of a site. */
export const processFaults: readonly Fault[] = [
  {
    name: 'replica-killed',
    about: 'replicas are killed, again and again',
    inject: async (scene) => {
      for (let kills = 0; kills < 2; kills++) {
        const [victim] = scene.replicas;
        await victim!.kill();
        scene.gone(victim!);
        await scene.startReplica();
      }
    },
  },
  {
    name: 'all-killed',
    about: 'all replicas are killed at once',
    inject: async (scene) => {
      await scene.killAll();
      await Promise.all([scene.startReplica(), scene.startReplica()]);
    },
  },
  {
    name: 'replica-frozen',
    about: 'a replica is frozen until others have taken its place, and then goes on as if nothing had been',
    inject: async (scene) => {
      const [zombie] = scene.replicas;
      zombie!.freeze();
      await pause(scene.parts.takenOverMs);
      zombie!.thaw();
    },
  },
  {
    name: 'rolling-restart',
    about: 'replicas are stopped in order, one after the other, and others are started',
    inject: async (scene) => {
      for (const old of [...scene.replicas]) {
        await scene.startReplica();
        await old.stop();
        scene.gone(old);
      }
    },
  },
  {
    name: 'rebalance',
    about: 'a replica comes and goes, so that what each of them handles changes hands all the time',
    inject: async (scene) => {
      for (let rounds = 0; rounds < 2; rounds++) {
        const guest = await scene.startReplica();
        await pause(300);
        await guest.stop();
        scene.gone(guest);
      }
    },
  },
];
