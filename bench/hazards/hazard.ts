import type { Redis } from '@rookery/devstack/testing';
import type { Peer } from './peer.js';
import type { Replica } from './library.js';

export interface Outcome {
  readonly clean: boolean;
  /** What was seen, in a few words. */
  readonly seen: string;
}

/** What a hazard is tried on: two replicas in processes of their own, over one Redis of their own. */
export interface Stage {
  readonly redis: Redis;
  /** In this process. */
  readonly here: Replica;
  readonly there: Peer;
}

/** Something that goes wrong with caches, and how it is brought about. */
export interface Hazard {
  /** Title of its row. */
  readonly name: string;
  /** `undefined` where it cannot come up. */
  try(stage: Stage): Promise<Outcome | undefined>;
}
