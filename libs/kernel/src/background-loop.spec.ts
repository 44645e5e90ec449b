import { BackgroundLoop, type BackgroundLoopOptions } from './background-loop.js';
import { noopMeter, type Labels, type Meter } from './meter.js';

const HOUR = 3_600_000;
const loops: BackgroundLoop[] = [];

function loop(options: Partial<BackgroundLoopOptions> & Pick<BackgroundLoopOptions, 'run'>): BackgroundLoop {
  const made = new BackgroundLoop({ name: 'test', intervalMs: 1, ...options });
  loops.push(made);
  return made;
}

/** Something that can be awaited until it has happened a number of times. */
class Event {
  count = 0;
  private waiting: { at: number; resolve: () => void }[] = [];

  happen(): void {
    this.count += 1;
    this.waiting = this.waiting.filter(({ at, resolve }) => {
      if (this.count < at) return true;
      resolve();
      return false;
    });
  }

  times(at: number): Promise<void> {
    if (this.count >= at) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ at, resolve }));
  }
}

afterEach(async () => {
  await Promise.all(loops.splice(0).map((made) => made.stop()));
});

describe('a background loop', () => {
  it('takes one turn after the other, never two at once, however often it is started and woken', async () => {
    const turns = new Event();
    let under = 0;
    let most = 0;
    const made = loop({
      run: async () => {
        most = Math.max(most, (under += 1));
        await new Promise((resolve) => setImmediate(resolve));
        made.wake();
        await new Promise((resolve) => setImmediate(resolve));
        under -= 1;
        turns.happen();
      },
    });
    made.start();
    made.start();
    made.wake();
    await turns.times(20);
    expect(most).toBe(1);
  });

  it('is woken from its wait, and remembers a wake that comes during a turn', async () => {
    const turns = new Event();
    const made = loop({
      intervalMs: HOUR,
      run: () => {
        turns.happen();
        if (turns.count === 2) made.wake();
        return Promise.resolve();
      },
    });
    made.start();
    await turns.times(1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(turns.count).toBe(1);
    made.wake();
    await turns.times(3);
  });

  it('waits in stop for the turn under way, tells it, and starts no other', async () => {
    const began = new Event();
    let told = false;
    let finished = false;
    const made = loop({
      run: async (signal) => {
        began.happen();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        told = true;
        await new Promise((resolve) => setImmediate(resolve));
        finished = true;
      },
    });
    made.start();
    await began.times(1);
    made.wake();
    await made.stop();
    expect([told, finished, began.count]).toEqual([true, true, 1]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(began.count).toBe(1);
  });

  it('can be stopped before it was started, and twice', async () => {
    const made = loop({ run: () => Promise.reject(new Error('never')) });
    await made.stop();
    made.start();
    await made.stop();
    expect(made.failures).toBe(0);
  });

  it('goes on after a failed turn, doubling the wait, and counts failures in a row', async () => {
    const at: number[] = [];
    const failures = new Event();
    const outcomes: Labels[] = [];
    const meter: Meter = {
      ...noopMeter,
      counter: () => ({ add: (_, labels) => void outcomes.push(labels!) }),
    };
    const made = loop({
      intervalMs: 10,
      meter,
      run: () => {
        at.push(performance.now());
        return at.length < 5 ? Promise.reject(new Error('no')) : Promise.resolve();
      },
      onError: () => failures.happen(),
    });
    made.start();
    await failures.times(4);
    expect(made.failures).toBe(4);
    made.wake();
    while (at.length < 6) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(made.failures).toBe(0);
    const waits = at.slice(1, 4).map((time, i) => time - at[i]!);
    // 20, 40, 80 ms, each ±10%: never less.
    expect(waits[0]).toBeGreaterThanOrEqual(17);
    expect(waits[1]).toBeGreaterThanOrEqual(35);
    expect(waits[2]).toBeGreaterThanOrEqual(71);
    expect(outcomes.slice(0, 5).map(({ outcome }) => outcome)).toEqual([
      'error',
      'error',
      'error',
      'error',
      'ok',
    ]);
  });

  it('never waits longer than its limit for a loop that keeps failing', async () => {
    const turns = new Event();
    const made = loop({
      intervalMs: 5,
      maxBackoffMs: 20,
      run: () => {
        turns.happen();
        return Promise.reject(new Error('no'));
      },
    });
    const since = performance.now();
    made.start();
    await turns.times(20);
    // Doubled without a limit, the waits would be 50 seconds.
    expect(performance.now() - since).toBeLessThan(20_000);
  });

  it('tells a turn that takes too long, and counts it as failed even if it then returns', async () => {
    const failures = new Event();
    let told = false;
    const made = loop({
      turnLimitMs: 5,
      intervalMs: HOUR,
      maxBackoffMs: HOUR,
      run: (signal) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            told = true;
            resolve();
          }),
        ),
      onError: (error) => {
        expect(error).toMatchObject({ code: 'RK_KERNEL_TURN_OVERRAN' });
        failures.happen();
      },
    });
    made.start();
    // The limit's timer keeps no process alive, so something else must.
    const alive = setTimeout(() => undefined, 5_000);
    await failures.times(1);
    clearTimeout(alive);
    expect(told).toBe(true);
  });
});
