import type { Transport } from './fault.js';

/** Milliseconds for which a replica has its lanes without saying anything. */
export const LEASE_MS = 1_000;
/** The same of partitions; a little longer, since a busy broker answers late. */
export const SESSION_MS = 2_000;
/** Writes begun in a second: what two replicas handle with room to spare, on a machine that does other things as well. */
export const PER_SECOND = 150;

/** Milliseconds after which others have all that a silent replica had. */
export const takenOverMs: Readonly<Record<Transport, number>> = {
  log: LEASE_MS * 2,
  kafka: LEASE_MS + SESSION_MS,
};
