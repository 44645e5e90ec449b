import type { CodedError } from '@rookery/kernel';
import { faultOf } from './kafka-client.js';

export interface Trouble {
  /** `relay of db1`, `group feed`. */
  readonly part: string;
  readonly code: string;
  readonly reason: string;
  readonly since: Date;
}

/** What is wrong now between this replica and Kafka, by part; told once when it begins and when it is another. */
export class Troubles {
  private readonly byPart = new Map<string, Trouble>();

  constructor(private readonly onWarning: (message: string, error?: unknown) => void) {}

  /** @returns the fault in this library's own codes */
  begin(part: string, error: unknown): CodedError {
    const fault = faultOf(error);
    const before = this.byPart.get(part);
    if (before?.code !== fault.code) this.onWarning(`${part} is held up: ${fault.message}`, fault);
    const since = before?.since ?? new Date();
    this.byPart.set(part, { part, code: fault.code, reason: fault.message, since });
    return fault;
  }

  end(part: string): void {
    this.byPart.delete(part);
  }

  get all(): readonly Trouble[] {
    return [...this.byPart.values()];
  }
}
