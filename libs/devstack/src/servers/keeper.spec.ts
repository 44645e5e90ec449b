import type { Keepable } from './keepable.js';
import { Keeper, type KeeperOptions } from './keeper.js';

/** A server that dies and starts as the test says. */
class ScriptedServer implements Keepable {
  readonly logFile = '/tmp/scripted.log';
  starts = 0;
  startsBy: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  die: (how: string) => void = () => undefined;

  onDeath(listener: (how: string) => void): void {
    this.die = listener;
  }

  start(signal: AbortSignal): Promise<void> {
    this.starts += 1;
    return this.startsBy(signal);
  }
}

describe('a keeper', () => {
  let server: ScriptedServer;
  let keeper: Keeper;
  let lines: string[];
  let told: () => void;

  beforeEach(() => {
    server = new ScriptedServer();
    lines = [];
    told = () => undefined;
  });
  afterEach(() => keeper.stop());

  const keep = (more: Partial<KeeperOptions> = {}): void => {
    keeper = new Keeper({
      name: 'etcd',
      server,
      backoffMs: 1,
      onEvent: (line) => {
        lines.push(line);
        told();
      },
      ...more,
    });
  };
  const line = (wanted: RegExp, times = 1): Promise<void> =>
    new Promise((resolve) => {
      told = () => {
        if (lines.filter((each) => wanted.test(each)).length === times) resolve();
      };
      told();
    });

  it('starts again what died, with a line for the death and one for the return', async () => {
    keep();
    server.die('SIGKILL');
    expect(keeper.status).toMatchObject({ state: 'waiting', deaths: 1, note: 'etcd ended with SIGKILL' });
    await line(/is back/);
    expect(lines).toEqual([
      'etcd ended with SIGKILL; started again in 0.001 s',
      expect.stringMatching(/^etcd is back after [\d.]+ s$/) as string,
    ]);
    expect(keeper.status).toMatchObject({ state: 'up', deaths: 1, note: undefined });
    expect(server.starts).toBe(1);
  });

  it('gives up what dies again and again, and says where its log is', async () => {
    keep({ limit: 3 });
    for (const deaths of [1, 2]) {
      server.die('exit code 1');
      await line(/is back/, deaths);
    }
    server.die('exit code 1');
    expect(lines.at(-1)).toBe(
      'etcd ended with exit code 1; 3 times within a minute: it is not started again, its log is /tmp/scripted.log',
    );
    expect(lines.filter((each) => each.endsWith('started again in 0.002 s'))).toHaveLength(1);
    expect(keeper.status).toMatchObject({ state: 'failed', note: 'given up; log: /tmp/scripted.log' });
    await keeper.stop();
    expect(server.starts).toBe(2);
  });

  it('gives up what does not start', async () => {
    keep({ limit: 4 });
    server.startsBy = () => Promise.reject(new Error('no disk\nand more'));
    server.die('SIGSEGV');
    await line(/not started again/);
    expect(lines.at(-1)).toMatch(/^no disk; 4 times within a minute: it is not started again/);
    expect(server.starts).toBe(3);
  });

  it('starts nothing any more once it is stopped: while it waits, and after that', async () => {
    keep({ backoffMs: 60_000 });
    server.die('SIGKILL');
    await keeper.stop();
    server.die('SIGKILL');
    await keeper.stop();
    expect(server.starts).toBe(0);
    expect(lines).toHaveLength(1);
  });

  it('when it is stopped, waits for the end of what is just being started', async () => {
    keep();
    let ended = false;
    const starting = new Promise<void>((resolve) => {
      server.startsBy = (signal) => {
        resolve();
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () =>
            setImmediate(() => {
              ended = true;
              reject(new Error('not waited for'));
            }),
          ),
        );
      };
    });
    server.die('SIGKILL');
    await starting;
    await keeper.stop();
    expect(ended).toBe(true);
    expect(lines).toHaveLength(1);
  });
});
