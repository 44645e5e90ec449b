import type { ReplicaSetup } from './replica-process.js';
import type { Scene } from './scene.js';

export type Transport = 'log' | 'kafka';

/** One row of the table: what goes wrong, and with what kind of site. */
export interface Fault {
  readonly name: string;
  /** As the end of "no event is lost, applied twice or applied out of order when …". */
  readonly about: string;
  /** @default both */
  readonly transports?: readonly Transport[];
  /** @default 2 */
  readonly replicas?: number;
  /** @default 1 */
  readonly brokers?: 1 | 3;
  /** Whether the replicas reach their shards by links that can be cut. @default false */
  readonly linked?: boolean;
  readonly setup?: Omit<ReplicaSetup, 'urls'>;
  /** @default 150 */
  readonly perSecond?: number;
  /** Where it must not be felt: most milliseconds from a write to its effect, for 99 of 100. @default any */
  readonly p99Ms?: number;
  /** Makes it happen and mends it. @throws where something is not as it must be meanwhile */
  readonly inject: (scene: Scene) => Promise<void>;
}
