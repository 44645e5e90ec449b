/** A server's program that can be kept running. */
export interface Keepable {
  /** Where what it says is written. */
  readonly logFile: string;
  /**
   * Calls `listener` whenever it ends although it took clients and nobody asked for its end here, with how: a signal, or
   * `exit code 1`. Its children have been ended by then.
   */
  onDeath(listener: (how: string) => void): void;
  /**
   * Starts it again on its data and its ports; resolves when it takes clients. Aborted: it is ended again.
   * @throws where it does not start, or was aborted: it does not run then
   */
  start(signal?: AbortSignal): Promise<void>;
}
