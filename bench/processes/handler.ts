import { handling, testEvents } from '@rookery/events/testing';
import { Shards } from '@rookery/sharding';
import { benchSchema, thingChanged } from '../events/log.js';

/** What the process tells: that it handles, and of each event when its handler began. */
export type Told = 'ready' | readonly Begun[];
/** Milliseconds on the clock of `now`. */
export type Begun = readonly [key: string, at: number];

/** The one clock that all processes of a machine have in common, in milliseconds. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const TELL_EVERY_MS = 50;

/** A replica in a process of its own, until it is disconnected. Arguments: URL of the shard, group. */
async function main(url: string, group: string): Promise<void> {
  const shards = new Shards({ shards: [{ url }], migrations: benchSchema });
  await shards.start();
  let begun: Begun[] = [];
  const events = testEvents(shards, [
    handling(thingChanged, { group }, async ({ key }) => {
      begun.push([key, now()]);
    }),
  ]);
  await events.start();
  const telling = setInterval(() => {
    if (begun.length > 0) tell(begun);
    begun = [];
  }, TELL_EVERY_MS);
  tell('ready');
  await new Promise<void>((resolve) => process.once('disconnect', resolve));
  clearInterval(telling);
  await events.stop();
  await shards.close();
}

function tell(told: Told): void {
  // Nobody may listen any more; then nobody needs it.
  process.send!(told, undefined, {}, () => undefined);
}

const [url, group] = process.argv.slice(2);
if (process.send && url !== undefined && group !== undefined) await main(url, group);
