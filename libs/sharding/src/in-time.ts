import type pg from 'pg';

const TICKS = 10;

/** There was no answer in time. */
export class NoAnswer extends Error {
  constructor(limitMs: number) {
    super(`no answer within ${limitMs} ms`);
  }
}

/**
 * What `asked` gives, if it comes in time. Counted in ticks, of which a process that was held up (a pause of its memory's
 * collector, a machine that stood still) misses all but one: what was answered meanwhile is read before it is called late.
 * The question itself is not withdrawn.
 * @throws NoAnswer
 */
export function inTime<T>(asked: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let left = TICKS;
    const clock = setInterval(() => {
      left -= 1;
      if (left > 0) return;
      clearInterval(clock);
      reject(new NoAnswer(limitMs));
    }, limitMs / TICKS);
    asked.then(
      (answer) => {
        clearInterval(clock);
        resolve(answer);
      },
      (error: Error) => {
        clearInterval(clock);
        reject(error);
      },
    );
  });
}

/**
 * Connects, as `inTime` counts: a limit of pg's own blames the server for what held this process up. A connection that comes
 * too late is dropped.
 * @throws NoAnswer; what pg says of a server that refuses
 */
export async function connectInTime(client: pg.Client, limitMs: number): Promise<void> {
  const connecting = client.connect();
  try {
    await inTime(connecting, limitMs);
  } catch (error) {
    if (error instanceof NoAnswer) {
      connecting.catch(() => undefined);
      dropStream(client);
    }
    throw error;
  }
}

/** Ends a connection without a goodbye, which a server that is frozen would not take. */
export function dropStream(client: pg.Client): void {
  (
    client as unknown as { connection?: { stream?: { destroy?: () => void } } }
  ).connection?.stream?.destroy?.();
}
