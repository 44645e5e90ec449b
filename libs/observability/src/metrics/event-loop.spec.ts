import { Registry } from 'prom-client';
import { parseExposition } from '../testing/exposition.js';
import { measureEventLoop } from './event-loop.js';
import { PrometheusMeter } from './prometheus-meter.js';

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('measureEventLoop', () => {
  let end: () => Promise<void> = () => Promise.resolve();
  afterEach(() => end());

  it('shows how late timers fired and how busy the loop was, the same to every scraper', async () => {
    const meter = new PrometheusMeter({ registry: new Registry() });
    end = measureEventLoop(meter, { windowMs: 100 });
    const scrape = async () => parseExposition((await meter.exposition()).text);
    const worst = 'rookery_event_loop_delay_seconds{quantile="1"}';
    // The monitor records the delay of a timer that was due while the loop was blocked, so the block must come in between.
    while (!(((await scrape()).get(worst) ?? 0) > 0.03)) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      block(60);
    }
    const one = await scrape();
    const other = await scrape();
    expect(other.get(worst)).toBe(one.get(worst));
    expect(one.get(worst)).toBeGreaterThanOrEqual(
      one.get('rookery_event_loop_delay_seconds{quantile="0.5"}')!,
    );
    const busiest = one.get('rookery_event_loop_utilization_ratio')!;
    expect(busiest).toBeGreaterThan(0.3);
    expect(busiest).toBeLessThanOrEqual(1);
    // A window of its own each: what was late once is not late for ever.
    const until = performance.now() + 10_000;
    while (((await scrape()).get(worst) ?? 1) > 0.03 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    expect((await scrape()).get(worst)).toBeLessThanOrEqual(0.03);
    await end();
    expect((await scrape()).has(worst)).toBe(false);
  }, 30_000);
});
