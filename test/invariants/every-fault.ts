import { setTimeout as pause } from 'node:timers/promises';
import { databaseFaults } from './database-faults.js';
import type { Fault, Transport } from './fault.js';
import { handlerFaults } from './handler-faults.js';
import { kafkaFaults } from './kafka-faults.js';
import { processFaults } from './process-faults.js';

/** What the others are measured against. */
export const CALM: Fault = {
  name: 'calm',
  about: 'nothing happens',
  perSecond: 100,
  inject: () => pause(2_000),
};

export const faults: readonly Fault[] = [
  CALM,
  ...processFaults,
  ...databaseFaults,
  ...handlerFaults,
  ...kafkaFaults,
];

export function faultsOver(transport: Transport): readonly Fault[] {
  return faults.filter(({ transports }) => transports?.includes(transport) ?? true);
}
