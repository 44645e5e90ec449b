import { setTimeout as pause } from 'node:timers/promises';
import { getRequest, RawClient } from './raw-client.js';

export interface PacedLoadOptions {
  readonly port: number;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  /** How often each connection sends a request. */
  readonly perSecond: number;
  readonly seconds: number;
}

/**
 * One GET on each connection at the same moment, so many times a second, each time only once all have been answered. Two
 * servers that are asked like this are asked alike: one that is asked as fast as it answers keeps its client awake where it
 * is fast, and pays for waking it where it is slow, which is more than the difference between them.
 * @returns requests answered
 * @throws if an answer is not 200 or has no content-length
 */
export async function pacedLoad(options: PacedLoadOptions): Promise<number> {
  const { port, path, headers, connections, perSecond, seconds } = options;
  const request = getRequest(port, path, headers);
  const clients = await Promise.all(Array.from({ length: connections }, () => RawClient.to(port)));
  try {
    const bursts = await inBursts(perSecond, seconds, () =>
      Promise.all(clients.map((client) => client.ask(request))),
    );
    return bursts * connections;
  } finally {
    for (const client of clients) client.end();
  }
}

/** Runs `burst` so many times a second, one after the other. A burst that took too long is not made up for. */
export async function inBursts(
  perSecond: number,
  seconds: number,
  burst: () => Promise<unknown>,
): Promise<number> {
  const [since, stepMs] = [performance.now(), 1000 / perSecond];
  let bursts = 0;
  for (; performance.now() < since + seconds * 1000; bursts++) {
    await burst();
    const passed = performance.now() - since;
    await pause((Math.floor(passed / stepMs) + 1) * stepMs - passed);
  }
  return bursts;
}

/** Runs `work` so many times a second, one after the other. One that took too long is made up for: the next begins at once. */
export async function atRate(
  perSecond: number,
  seconds: number,
  work: () => Promise<unknown>,
): Promise<void> {
  const [since, stepMs, end] = [performance.now(), 1000 / perSecond, seconds * 1000];
  // They do not all begin at the same moment.
  for (let due = Math.random() * stepMs; due < end; due += stepMs) {
    const passed = performance.now() - since;
    if (passed >= end) return;
    if (passed < due) await pause(due - passed);
    await work();
  }
}
