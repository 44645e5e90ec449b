import { ReplicaProcess, type ReplicaSetup } from './replica-process.js';

/** Processes that serve one fault after the other, with one to spare: to start one takes longer than most faults. */
export class ReplicaPool {
  private readonly idle: ReplicaProcess[] = [];
  private spare: Promise<ReplicaProcess> | undefined;

  /** A replica that handles events. */
  async take(setup: ReplicaSetup): Promise<ReplicaProcess> {
    const replica = this.idle.pop() ?? (await this.fresh());
    await replica.serve(setup);
    return replica;
  }

  /** Takes one back, in whatever state. @throws where it does not stop in order */
  async giveBack(replica: ReplicaProcess): Promise<void> {
    if (!replica.runs) return;
    await replica.rest();
    this.idle.push(replica);
  }

  async stop(): Promise<void> {
    if (this.spare) this.idle.push(await this.spare);
    await Promise.all(this.idle.splice(0).map((replica) => replica.stop()));
  }

  private fresh(): Promise<ReplicaProcess> {
    const fresh = this.spare ?? ReplicaProcess.spawn();
    this.spare = ReplicaProcess.spawn();
    return fresh;
  }
}
