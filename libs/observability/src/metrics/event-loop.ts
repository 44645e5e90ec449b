import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { BackgroundLoop, type Meter } from '@rookery/kernel';

const RESOLUTION_MS = 10;

/**
 * Measures the event loop in windows, so that several scrapers see the same values:
 * `rookery_event_loop_delay_seconds{quantile}` (how late timers fired: 0.5, 0.99, and 1 for the worst) and
 * `rookery_event_loop_utilization_ratio` (share of the window in which the loop was not waiting; 1 is saturated).
 *
 * @param options.windowMs milliseconds of one window; as long as the scrape interval, no peak is missed. @default 15000
 * @returns ends the measuring
 */
export function measureEventLoop(
  meter: Meter,
  options: { readonly windowMs?: number } = {},
): () => Promise<void> {
  const windowMs = options.windowMs ?? 15_000;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let from = performance.eventLoopUtilization();
  let delays: { value: number; labels: { quantile: string } }[] = [];
  let utilization: { value: number }[] = [];

  const endDelay = meter.gauge(
    {
      name: 'rookery_event_loop_delay_seconds',
      help: 'How late timers fired in the last window, by quantile',
      labels: ['quantile'],
    },
    () => delays,
  );
  const endUtilization = meter.gauge(
    {
      name: 'rookery_event_loop_utilization_ratio',
      help: 'Share of the last window in which the event loop was busy',
    },
    () => utilization,
  );

  const close = (): void => {
    const now = performance.eventLoopUtilization();
    utilization = [{ value: performance.eventLoopUtilization(now, from).utilization }];
    from = now;
    delays = (['0.5', '0.99', '1'] as const).map((quantile) => ({
      value: seconds(quantile === '1' ? delay.max : delay.percentile(Number(quantile) * 100)),
      labels: { quantile },
    }));
    delay.reset();
  };
  let first = true;
  const loop = new BackgroundLoop({
    name: 'event-loop-metrics',
    intervalMs: windowMs,
    meter,
    run: async () => {
      // The loop's first turn comes at once, when there is no window to close yet.
      if (!first) close();
      first = false;
    },
  });
  loop.start();
  return async () => {
    await loop.stop();
    delay.disable();
    endDelay();
    endUtilization();
  };
}

/** The monitor records whole intervals between its timer's firings; the delay is what exceeds the timer's own. */
function seconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
}
