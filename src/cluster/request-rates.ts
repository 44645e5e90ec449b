const LIMIT_MS = 1_000;
const COUNT = /^http_server_request_duration_seconds_count(?:\{.*\})? (\S+)$/gm;

/** Requests that replicas answer per second, from one look at their metrics to the next. */
export class RequestRates {
  private readonly seen = new Map<string, { readonly count: number; readonly at: number }>();

  /** `undefined` where it cannot be asked. The first time: since it was started. */
  async of(id: string, opsAddress: string | undefined, uptimeMs: number): Promise<number | undefined> {
    if (opsAddress === undefined) return undefined;
    try {
      const answer = await fetch(`http://${opsAddress}/metrics`, { signal: AbortSignal.timeout(LIMIT_MS) });
      const text = await answer.text();
      const count = [...text.matchAll(COUNT)].reduce((sum, [, value]) => sum + Number(value), 0);
      const at = performance.now();
      const before = this.seen.get(id) ?? { count: 0, at: at - uptimeMs };
      this.seen.set(id, { count, at });
      return ((count - before.count) * 1_000) / Math.max(1, at - before.at);
    } catch {
      // It has just ended, or does not answer: which its state tells.
      return undefined;
    }
  }
}
