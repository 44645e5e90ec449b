import cluster, { type Worker } from 'node:cluster';
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from './config/index.js';

/** What a worker tells once it takes traffic. */
export interface WorkerReady {
  readonly url: string;
  readonly opsUrl: string | undefined;
}

/** What a worker asks once it is to stop. */
interface WorkerLeaves {
  readonly leaves: true;
}
/** Whether others go on taking connections at the port they share. */
interface Told {
  readonly othersServe: boolean;
}

const TELL_LIMIT_MS = 1_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A worker that lived so long was well: what ends it then is not what ended it before. */
const WELL_MS = 60_000;

interface Slot {
  worker: Worker | undefined;
  /** It takes traffic, and is not to stop. */
  serves: boolean;
  failures: number;
}

/**
 * Several processes on one port, so that a replica uses all cores of its machine. Each is a replica of its own in all but
 * the port: its identity is `REPLICA_ID.n`, its operations are on `OPS_PORT + n - 1`, its gRPC on `GRPC_PORT + n - 1`. One that dies is started again; all
 * stop together, each in order.
 */
export class Workers {
  private readonly slots: Slot[];
  private readonly over = new AbortController();
  private worst = 0;
  private end!: (code: number) => void;
  /** The exit code, once none of them runs any more. */
  readonly ended = new Promise<number>((resolve) => (this.end = resolve));

  constructor(
    private readonly config: Pick<Config, 'workers' | 'replicaId' | 'opsPort' | 'grpc'>,
    private readonly say: (line: string) => void,
  ) {
    this.slots = Array.from({ length: config.workers }, () => ({
      worker: undefined,
      serves: false,
      failures: 0,
    }));
  }

  /** Resolves when all of them take traffic. One that ends before that is the end of all: its fault is that of the others. */
  async start(): Promise<readonly WorkerReady[]> {
    return Promise.all(this.slots.map((_, index) => this.startFirst(index)));
  }

  /** Stops all of them in order; in a hurry when called again. */
  stop(): void {
    this.over.abort();
    for (const { worker } of this.slots) worker?.process.kill('SIGTERM');
    this.endWhenAllHave();
  }

  private startFirst(index: number): Promise<WorkerReady> {
    const worker = this.fork(index);
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) => {
        if (code !== 0) this.worst ||= code ?? 1;
        this.stop();
        reject(new WorkerEnded(`worker ${index + 1} ended with ${code} before it took traffic`));
      };
      // Before the one that would start it again.
      worker.prependOnceListener('exit', ended);
      worker.on('message', (ready: WorkerReady | WorkerLeaves) => {
        if ('leaves' in ready) return;
        worker.off('exit', ended);
        resolve(ready);
      });
    });
  }

  private fork(index: number): Worker {
    const { replicaId, opsPort, grpc } = this.config;
    const slot = this.slots[index]!;
    const began = performance.now();
    const worker = cluster.fork({
      REPLICA_ID: `${replicaId}.${index + 1}`,
      OPS_PORT: portOf(opsPort, index),
      ...(grpc ? { GRPC_PORT: portOf(grpc.port, index) } : {}),
    });
    slot.worker = worker;
    worker.on('message', (said: WorkerReady | WorkerLeaves) => {
      slot.serves = !('leaves' in said);
      if (slot.serves || !worker.isConnected()) return;
      // The last of those that are told to stop at the same time stays for those who do not know yet.
      const othersServe = !this.over.signal.aborted && this.slots.some(({ serves }) => serves);
      worker.send({ othersServe } satisfies Told, () => undefined);
    });
    worker.once('exit', (code, signal) => {
      slot.worker = undefined;
      slot.serves = false;
      if (this.over.signal.aborted) {
        if (code !== 0) this.worst ||= code ?? 1;
        this.endWhenAllHave();
        return;
      }
      slot.failures = performance.now() - began > WELL_MS ? 1 : slot.failures + 1;
      this.again(index, signal ?? `exit code ${code}`).catch((error: unknown) => this.say(String(error)));
    });
    return worker;
  }

  private async again(index: number, reason: string): Promise<void> {
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.slots[index]!.failures - 1));
    this.say(`worker ${index + 1} ended (${reason}), and is started again in ${waitMs} ms`);
    await pause(waitMs, undefined, { signal: this.over.signal }).catch(() => undefined);
    if (!this.over.signal.aborted) this.fork(index);
  }

  private endWhenAllHave(): void {
    if (this.slots.every(({ worker }) => worker === undefined)) this.end(this.worst);
  }
}

/**
 * Asked by a process that is to stop: whether it is a worker, and others go on taking connections at the port they share. Not
 * while all of them stop.
 */
export async function othersServe(): Promise<boolean> {
  const { worker } = cluster;
  if (!worker?.isConnected()) return false;
  return new Promise((resolve) => {
    const told = ({ othersServe: others }: Told): void => resolve(others);
    worker.once('message', told);
    worker.once('disconnect', () => resolve(false));
    setTimeout(() => resolve(false), TELL_LIMIT_MS);
    worker.send({ leaves: true } satisfies WorkerLeaves, (error: Error | null) => {
      if (error) resolve(false);
    });
  });
}

/** Of one worker: the ports follow one another, unless any will do. */
function portOf(first: number, index: number): string {
  return String(first === 0 ? 0 : first + index);
}

/** Said by the worker itself already. */
export class WorkerEnded extends Error {}
