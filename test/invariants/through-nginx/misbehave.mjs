// Loaded by a replica before its own modules (`node --import`). On SIGUSR2 it does what the file named by TROUBLE_FILE says:
// `{ "clockMs": n }` puts its clock off by so much, `{ "memory": true }` makes it use up its heap.
import { readFileSync } from 'node:fs';

const MANY = 40_000;
const STEP_MS = 10;

const RealDate = Date;
let offMs = 0;
const now = () => RealDate.now() + offMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, made) => Reflect.construct(target, args.length === 0 ? [now()] : args, made),
  apply: () => new RealDate(now()).toString(),
  get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
});

process.on('SIGUSR2', () => {
  const { clockMs, memory } = JSON.parse(readFileSync(process.env.TROUBLE_FILE, 'utf8'));
  if (clockMs !== undefined) offMs = clockMs;
  if (memory) useUp([]);
});

/** It goes on answering while there is less and less room, as a leak has it. */
function useUp(kept) {
  setInterval(() => kept.push(Array.from({ length: MANY }, (_, i) => ({ i }))), STEP_MS);
}
