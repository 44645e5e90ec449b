import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { devstackErrors } from '../devstack.errors.js';
import { Replica } from './replica.js';
import type { ReplicaSetOptions, ReplicaStatus } from './replica-set.options.js';

/**
 * Replicas of a site as processes of this machine, by number: `replica-1`, `replica-2`, …
 *
 * Promises: one that ends by itself is started again, at growing distances and not for ever. A roll replaces one after the
 * other, and none is told to stop before traffic reaches its successor. What is asked for while something else is under way
 * waits for it; `stop` does not wait, and leaves no process behind.
 */
export class ReplicaSet {
  private readonly replicas: Replica[] = [];
  private readonly leaving = new AbortController();
  private readonly hurry = new AbortController();
  private last: Promise<unknown> = Promise.resolve();
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: ReplicaSetOptions) {
    // One for each replica.
    setMaxListeners(0, this.hurry.signal);
  }

  /** By number. */
  get status(): readonly ReplicaStatus[] {
    return this.replicas.map(({ status }) => status);
  }

  /**
   * Starts or stops the last ones until there are so many; at once. One that does not start is removed again.
   * @throws RK_DEVSTACK_SERVER_START_FAILED, RK_DEVSTACK_SERVER_START_TIMEOUT
   */
  scale(count: number): Promise<void> {
    return this.next(async () => {
      await mkdir(this.options.logs, { recursive: true });
      const added: Replica[] = [];
      while (this.replicas.length + added.length < count)
        added.push(new Replica(`replica-${this.replicas.length + added.length + 1}`, this.options));
      const surplus = this.replicas.splice(count);
      this.replicas.push(...added);
      const outcomes = await Promise.allSettled([
        ...added.map((replica) => this.startOne(replica)),
        ...surplus.map((replica) => this.stopOne(replica)),
      ]);
      const failure = outcomes.find(({ status }) => status === 'rejected');
      if (failure?.status === 'rejected') throw failure.reason;
    });
  }

  /** Replaces one after the other. @throws as `scale`; those not yet replaced go on as they were */
  roll(): Promise<void> {
    return this.next(async () => {
      for (const replica of [...this.replicas]) {
        const since = performance.now();
        const { id: old } = replica.status;
        await replica.replace(this.leaving.signal);
        const seconds = ((performance.now() - since) / 1_000).toFixed(1);
        this.options.onEvent?.(`${replica.status.id} has taken the place of ${old} in ${seconds} s`);
      }
    });
  }

  /** SIGKILL, for trying what becomes of it; resolves when it is dead. @throws RK_DEVSTACK_REPLICA_UNKNOWN, RK_DEVSTACK_SERVER_WRONG_STATE */
  async kill(name: string): Promise<void> {
    const replica = this.replicas.find((one) => one.name === name || one.name === `replica-${name}`);
    if (replica === undefined) {
      const known = this.replicas.map((one) => one.name).join(', ');
      throw devstackErrors.create('REPLICA_UNKNOWN', { data: { name, known } });
    }
    await replica.kill();
  }

  /** All at once, in order; again, or in a hurry: those that still run are killed. */
  stop({ hurry = false }: { readonly hurry?: boolean } = {}): Promise<void> {
    if (hurry) this.hurry.abort();
    this.stopped ??= (async () => {
      this.leaving.abort();
      await Promise.all(this.replicas.map((replica) => replica.stop(this.hurry.signal)));
      await this.last.catch(() => undefined);
    })();
    return this.stopped;
  }

  private async startOne(replica: Replica): Promise<void> {
    try {
      await replica.start(this.leaving.signal);
    } catch (error) {
      const at = this.replicas.indexOf(replica);
      if (at >= 0) this.replicas.splice(at, 1);
      throw error;
    }
    this.options.onEvent?.(`${replica.status.id} takes traffic`);
  }

  private async stopOne(replica: Replica): Promise<void> {
    await replica.stop(this.hurry.signal);
    this.options.onEvent?.(`${replica.name} has stopped`);
  }

  private next(step: () => Promise<void>): Promise<void> {
    const turn = this.last.then(() => {
      if (this.stopped === undefined) return step();
      const data = { server: 'the cluster', wanted: 'changed', state: 'is stopping' };
      throw devstackErrors.create('SERVER_WRONG_STATE', { data });
    });
    this.last = turn.catch(() => undefined);
    return turn;
  }
}
