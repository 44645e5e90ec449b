import type { Keepable } from './keepable.js';
import type { LocalServer } from './local-server.js';

/** What every server that is one program can be told, whichever it is. */
export abstract class OneProgram implements Keepable {
  private closed: Promise<void> | undefined;

  constructor(readonly server: LocalServer) {}

  get logFile(): string {
    return this.server.logFile;
  }

  onDeath(listener: (how: string) => void): void {
    this.server.onDeath(listener);
  }

  start(signal?: AbortSignal): Promise<void> {
    return this.server.start(signal);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  kill(): Promise<void> {
    return this.server.kill();
  }

  freeze(): void {
    this.server.freeze();
  }

  thaw(): void {
    this.server.thaw();
  }

  /** For good, with what it leaves behind; however often it is asked for. */
  close(): Promise<void> {
    this.closed ??= this.end();
    return this.closed;
  }

  protected abstract end(): Promise<void>;
}
