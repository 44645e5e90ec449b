import { setTimeout as pause } from 'node:timers/promises';

/** Asks again and again until the answer is `true`. @throws after `limitMs`, saying what was waited for */
export async function eventually(
  what: string,
  ask: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await ask())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await pause(10);
  }
}
