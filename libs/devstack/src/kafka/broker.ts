import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { devstackErrors } from '../devstack.errors.js';
import type { Keepable } from '../servers/keepable.js';
import type { Guard } from './guard.js';
import { JavaProcess } from './java-process.js';
import { HOST } from './server-properties.js';

export interface BrokerSetup {
  readonly id: number;
  readonly port: number;
  readonly jars: string;
  /** Its own: properties, data and log lie there. */
  readonly folder: string;
  /** Text of its `server.properties`. */
  readonly properties: string;
  readonly guard: Guard;
}

/** Said when the controllers have let it in and it takes clients. */
const STARTED = /\bKafka Server started\b/;
const PORT_TAKEN = /Address already in use/;
const POLL_MS = 30;

/** One broker: its folder, and the process that runs on it from one start to the next end. */
export class Broker {
  private process: JavaProcess | undefined;
  private portWasTaken = false;
  /** Whether it has taken clients, and nobody has told it to end since. */
  private isToRun = false;
  private readonly deathListeners: ((how: string) => void)[] = [];

  constructor(private readonly setup: BrokerSetup) {}

  get runs(): boolean {
    return this.process !== undefined && this.process.ended === undefined;
  }

  get pid(): number | undefined {
    return this.runs ? this.process!.pid : undefined;
  }

  get frozen(): boolean {
    return this.runs && this.process!.frozen;
  }

  /** Whether the last start failed because somebody else had the port. */
  get lostItsPort(): boolean {
    return this.portWasTaken;
  }

  /** Prepares the data folder: once, before the first start. */
  async format(clusterId: string, until: number): Promise<void> {
    await mkdir(this.setup.folder, { recursive: true });
    await writeFile(this.propertiesFile, this.setup.properties);
    // Kept from an earlier time. The ports of that time stand only in the properties.
    if (existsSync(join(this.setup.folder, 'data', 'meta.properties'))) return;
    const main = [
      'kafka.tools.StorageTool',
      'format',
      `--cluster-id=${clusterId}`,
      '-c',
      this.propertiesFile,
    ];
    const process = await this.launch(main);
    const ended = await process.whenEnded(until - performance.now());
    if (ended === undefined) throw await this.givenUp(process);
    if (ended !== 'exit code 0') throw await this.failed(process);
  }

  /** @throws RK_DEVSTACK_KAFKA_START_FAILED, RK_DEVSTACK_KAFKA_START_TIMEOUT; it does not run then */
  async start(until: number, signal?: AbortSignal): Promise<void> {
    if (this.runs) throw this.wrongState('started');
    const process = await this.launch(['kafka.Kafka', this.propertiesFile]);
    while (!(STARTED.test(await process.log()) && (await answers(this.setup.port)))) {
      if (process.ended !== undefined) throw await this.failed(process);
      if (performance.now() > until || signal?.aborted) throw await this.givenUp(process);
      await process.whenEnded(POLL_MS);
    }
    if (process.ended !== undefined) throw await this.failed(process);
    this.isToRun = true;
    void process.whenEnded().then((how) => {
      if (this.isToRun) this.died(how!);
    });
  }

  /** As others keep it running, each start within `limitMs`. */
  keepable(limitMs: number): Keepable {
    return {
      logFile: this.logFile,
      onDeath: (listener) => void this.deathListeners.push(listener),
      start: (signal) => this.start(performance.now() + limitMs, signal),
    };
  }

  /** Whether it stopped in order, within `limitMs`; if not, it was killed. */
  async stop(limitMs: number): Promise<boolean> {
    const process = this.running('stopped');
    this.isToRun = false;
    this.thaw();
    process.signal('SIGTERM');
    if ((await process.whenEnded(limitMs)) !== undefined) return true;
    await process.kill();
    return false;
  }

  async kill(): Promise<void> {
    const process = this.running('killed');
    this.isToRun = false;
    await process.kill();
  }

  freeze(): void {
    this.running('frozen').signal('SIGSTOP');
    this.process!.frozen = true;
  }

  thaw(): void {
    this.running('thawed').signal('SIGCONT');
    this.process!.frozen = false;
  }

  private get propertiesFile(): string {
    return join(this.setup.folder, 'server.properties');
  }

  private get logFile(): string {
    return join(this.setup.folder, 'broker.log');
  }

  private died(how: string): void {
    this.isToRun = false;
    for (const listener of this.deathListeners) listener(how);
  }

  private async launch(main: readonly string[]): Promise<JavaProcess> {
    const { id, jars, folder, guard } = this.setup;
    try {
      this.process = await JavaProcess.start({
        jars,
        main,
        folder,
        guard,
        logFile: this.logFile,
      });
      return this.process;
    } catch (cause) {
      const reason = `java cannot be run: ${(cause as Error).message}`;
      throw devstackErrors.create('KAFKA_START_FAILED', { data: { broker: id, reason, log: '' }, cause });
    }
  }

  private running(wanted: string): JavaProcess {
    if (!this.runs) throw this.wrongState(wanted);
    return this.process!;
  }

  private wrongState(wanted: string): Error {
    const state = this.runs ? 'runs' : 'does not run';
    return devstackErrors.create('KAFKA_WRONG_STATE', { data: { broker: this.setup.id, wanted, state } });
  }

  private async failed(process: JavaProcess): Promise<Error> {
    this.portWasTaken = PORT_TAKEN.test(await process.log());
    return devstackErrors.create('KAFKA_START_FAILED', {
      data: {
        broker: this.setup.id,
        reason: `it ended with ${process.ended}`,
        log: await process.lastLines(),
      },
    });
  }

  private async givenUp(process: JavaProcess): Promise<Error> {
    await process.kill();
    return devstackErrors.create('KAFKA_START_TIMEOUT', {
      data: { broker: this.setup.id, log: await process.lastLines() },
    });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
