import type { HealthProbe, HealthReport } from '@rookery/kernel';

/** A probe whose answer a test sets, and which counts how often it is asked. */
export class FakeProbe implements HealthProbe {
  calls = 0;
  answer: () => Promise<HealthReport> = () => Promise.resolve({ status: 'up' });

  constructor(
    readonly name: string,
    readonly critical = false,
  ) {}

  says(report: HealthReport): this {
    this.answer = () => Promise.resolve(report);
    return this;
  }

  /** Answers nothing until `release` is called. */
  hangs(): { release: (report: HealthReport) => void } {
    let release: (report: HealthReport) => void = () => undefined;
    const answer = new Promise<HealthReport>((resolve) => (release = resolve));
    this.answer = () => answer;
    return { release };
  }

  throws(error: unknown): this {
    this.answer = () => {
      throw error;
    };
    return this;
  }

  check(): Promise<HealthReport> {
    this.calls += 1;
    return this.answer();
  }
}
