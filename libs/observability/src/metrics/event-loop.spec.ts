import { setTimeout as pause } from 'node:timers/promises';
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
    const utilization = 'rookery_event_loop_utilization_ratio';
    let [one, other] = [await scrape(), await scrape()];
    // The monitor records the delay of a timer that was due while the loop was blocked, so the block must come in between;
    // what else holds the process up may be late, too, but is not busy.
    while (!((one.get(worst) ?? 0) > 0.2 && one.get(utilization)! > 0.3)) {
      await pause(15);
      block(250);
      [one, other] = [await scrape(), await scrape()];
    }
    expect(other.get(worst)).toBe(one.get(worst));
    expect(one.get(worst)).toBeGreaterThanOrEqual(
      one.get('rookery_event_loop_delay_seconds{quantile="0.5"}')!,
    );
    expect(one.get(utilization)).toBeLessThanOrEqual(1);
    // A window of its own each: what was late once is not late for ever.
    while (((await scrape()).get(worst) ?? 1) > 0.1) await pause(15);
    await end();
    expect((await scrape()).has(worst)).toBe(false);
  });
});
