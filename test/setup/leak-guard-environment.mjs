import { TestEnvironment } from 'jest-environment-node';

/**
 * The environment of every test file. When the file is done, whatever it has opened and still keeps the process alive fails
 * it: servers, sockets, child processes, watchers, workers, timers. A leak found here is one line; found in CI it is a run
 * that hangs, or a test that fails because of another file.
 */
/** A busy machine takes its time; what closes in time costs none. `leakGraceMs` of the environment's options is another. */
const GRACE_MS = 10_000;
const POLL_MS = 20;
const SWEEP_EVERY = 1_000;

/** What Jest's own machinery opens and closes as it likes. Timers it has too, so those of the file are told apart below. */
const IGNORED = new Set([
  'CloseReq',
  'FileHandle',
  'FileHandleCloseReq',
  'FSReqCallback',
  'FSReqPromise',
  'Immediate',
  'Timeout',
  'TTYWrap',
]);

export default class LeakGuardEnvironment extends TestEnvironment {
  timers = new Map();

  constructor(config, context) {
    super(config, context);
    this.graceMs = config.projectConfig.testEnvironmentOptions.leakGraceMs ?? GRACE_MS;
  }

  async setup() {
    await super.setup();
    // Node opens these at their first use; in a worker of Jest they are pipes, and belong to no test.
    void process.stdout.writable;
    void process.stderr.writable;
    for (const name of ['setTimeout', 'setInterval']) this.#watchTimers(name);
    this.before = count();
  }

  async handleTestEvent(event, state) {
    if (event.name !== 'run_finish') return;
    const leaked = await this.#leakedAfterGrace();
    if (leaked.length === 0) return;
    const error = new Error(
      `this test file leaks ${leaked.join(', ')}: close in afterEach or afterAll what the file opens`,
    );
    error.name = 'LeakedHandles';
    state.unhandledErrors.push(error);
  }

  #watchTimers(name) {
    const original = this.global[name];
    const { timers } = this;
    const watched = function (...args) {
      const timer = original.apply(this, args);
      timers.set(timer, new Error('made here'));
      if (timers.size % SWEEP_EVERY === 0) sweep(timers);
      return timer;
    };
    // `util.promisify` finds what it needs there.
    Object.defineProperties(watched, Object.getOwnPropertyDescriptors(original));
    this.global[name] = watched;
  }

  #leaked() {
    const handles = [...count()]
      .map(([type, now]) => [type, now - (this.before.get(type) ?? 0)])
      .filter(([, more]) => more > 0)
      .map(([type, more]) => `${type} ×${more}`);
    sweep(this.timers);
    const timers = [...this.timers.values()].map((made) => `Timeout (${placeOf(made)})`);
    return [...handles, ...timers];
  }

  /** Closing takes a few turns of the loop. */
  async #leakedAfterGrace() {
    const until = performance.now() + this.graceMs;
    for (;;) {
      const leaked = this.#leaked();
      if (leaked.length === 0 || performance.now() > until) return leaked;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** Forgets the timers that have run out, were cleared, or keep nothing alive. */
function sweep(timers) {
  for (const timer of timers.keys()) {
    if (timer._destroyed || !timer.hasRef()) timers.delete(timer);
  }
}

function count() {
  const counts = new Map();
  for (const type of process.getActiveResourcesInfo()) {
    if (!IGNORED.has(type)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}

/** The line that made it, ours rather than a package's. */
function placeOf(made) {
  const lines = made.stack.split('\n').slice(2);
  return (lines.find((line) => !/node_modules|node:/.test(line)) ?? lines[0] ?? 'somewhere').trim();
}
