/** One hazard on one library, in a process that may end of it. Arguments: their numbers. Says the outcome to its parent. */
import { startRedis } from '@rookery/devstack/testing';
import { hazards } from './hazards.js';
import { libraries } from './libraries/index.js';
import { Peer } from './peer.js';

/** An error that comes up after the answer ends the process as well. */
const AFTERMATH_MS = 300;

const [hazard, library] = process.argv.slice(2).map(Number) as [number, number];
const redis = await startRedis();
const there = await Peer.start(library, redis.url);
const here = await libraries[library]!.open(redis.url);
const outcome = await hazards[hazard]!.try({ redis, here, there });
setTimeout(() => {
  there.end();
  // What the library keeps open does not keep the table waiting.
  process.send!(outcome ?? null, () => void redis.close().finally(() => process.exit()));
}, AFTERMATH_MS);
