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
