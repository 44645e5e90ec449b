import type { Guard } from '../kafka/guard.js';

/** `waiting`: it has ended, and is started again in a moment. `failed`: it is not started again by itself. */
export type ReplicaState = 'starting' | 'up' | 'stopping' | 'waiting' | 'failed';

export interface ReplicaStatus {
  /** Its place: `replica-1`. */
  readonly name: string;
  /** Of the process that has this place: `replica-1.3` is the third. */
  readonly id: string;
  readonly state: ReplicaState;
  readonly pid: number | undefined;
  /** Milliseconds that the process has run. */
  readonly uptimeMs: number;
  /** Processes that have had this place and ended without being told to. */
  readonly crashes: number;
  /** Why it failed, or waits. */
  readonly note: string | undefined;
}

export interface ReplicaSetOptions {
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** The whole environment of the replica with this id. */
  readonly environment: (id: string) => Readonly<Record<string, string | undefined>>;
  /** Working directory. */
  readonly folder: string;
  /** Folder of what they say: `replica-1.log`; made if it is not there. */
  readonly logs: string;
  /** Kills them if this process dies. */
  readonly guard: Guard;
  /** Resolves when traffic reaches the replica with this id; rejects when it is aborted. */
  readonly whenServing: (id: string, signal: AbortSignal) => Promise<void>;
  /** Told of what happens by itself, and of each step of what was asked for. */
  readonly onEvent?: (line: string) => void;
  /** Milliseconds from its start until traffic reaches it. @default 60000 */
  readonly startLimitMs?: number;
  /** Milliseconds a replica has to stop in order before it is killed. @default 60000 */
  readonly stopLimitMs?: number;
  /** Milliseconds until one that ended by itself is started again; doubled with each time in a row, up to 30 s. @default 500 */
  readonly backoffMs?: number;
  /** After so many ends in a row, it is given up. @default 8 */
  readonly crashesInARow?: number;
}
