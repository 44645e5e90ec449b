import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks again and again until the answer is `true`. The limit only matters where something is wrong; machines that run tests
 * do other things as well. @throws after `limitMs`, saying what was waited for
 */
export async function until(what: string, ask: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await ask())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await pause(20);
  }
}
