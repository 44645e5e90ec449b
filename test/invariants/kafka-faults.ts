import { setTimeout as pause } from 'node:timers/promises';
import type { Fault } from './fault.js';

const AWAY_MS = 2_000;

/** What happens to Kafka, and to who sends to it. */
export const kafkaFaults: readonly Fault[] = [
  {
    name: 'relay-killed',
    about: 'whoever sends the logs to Kafka is killed, again and again',
    transports: ['kafka'],
    replicas: 1,
    inject: async (scene) => {
      for (let kills = 0; kills < 2; kills++) {
        await scene.killAll();
        await scene.startReplica();
        await pause(500);
      }
    },
  },
  {
    name: 'broker-stopped',
    about: 'the broker is stopped for a while',
    transports: ['kafka'],
    inject: async ({ kafka }) => {
      await kafka.stopBroker(0);
      await pause(AWAY_MS);
      await kafka.start(0);
    },
  },
  {
    name: 'broker-killed',
    about: 'the broker is killed, and recovers',
    transports: ['kafka'],
    inject: async ({ kafka }) => {
      await kafka.kill(0);
      await kafka.start(0);
    },
  },
  {
    name: 'broker-frozen',
    about: 'the broker answers nobody for a while, and then goes on',
    transports: ['kafka'],
    inject: async ({ kafka }) => {
      kafka.freeze(0);
      await pause(AWAY_MS);
      kafka.thaw(0);
    },
  },
  {
    name: 'one-of-three',
    about: 'one of three brokers is killed, and comes back later',
    transports: ['kafka'],
    brokers: 3,
    inject: async ({ kafka }) => {
      await kafka.kill(1);
      await pause(AWAY_MS * 2);
      await kafka.start(1);
    },
  },
];
