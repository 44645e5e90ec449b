import { Report, type Scenario } from './harness.js';
import { consume } from './scenarios/consume.js';
import { edge } from './scenarios/edge.js';
import { growth } from './scenarios/growth.js';
import { hit } from './scenarios/hit.js';
import { idle } from './scenarios/idle.js';
import { invalidate } from './scenarios/invalidate.js';
import { kafkaConsume } from './scenarios/kafka-consume.js';
import { list, single } from './scenarios/list.js';
import { logDeliver } from './scenarios/log-deliver.js';
import { logRead } from './scenarios/log-read.js';
import { memory } from './scenarios/memory.js';
import { publish } from './scenarios/publish.js';
import { read } from './scenarios/read.js';
import { relay } from './scenarios/relay.js';
import { roll } from './scenarios/roll.js';
import { rpc } from './scenarios/rpc.js';
import { scale } from './scenarios/scale.js';
import { seed } from './scenarios/seed.js';
import { storm } from './scenarios/storm.js';
import { tx } from './scenarios/tx.js';

const SCENARIOS: readonly Scenario[] = [
  tx,
  list,
  single,
  growth,
  seed,
  memory,
  publish,
  logRead,
  logDeliver,
  consume,
  idle,
  relay,
  kafkaConsume,
  rpc,
  edge,
  roll,
  scale,
  hit,
  read,
  invalidate,
  storm,
];

const names: string[] = [];
let json: string | undefined;
const words = process.argv.slice(2);
for (let word = words.shift(); word !== undefined; word = words.shift()) {
  if (word === '--json') json = words.shift() ?? usage('--json needs a file');
  else if (word === '--help' || word === '-h') usage();
  else if (SCENARIOS.some(({ name }) => name === word)) names.push(word);
  else usage(`no scenario "${word}"`);
}

const report = new Report();
report.header();
for (const scenario of SCENARIOS) {
  if (names.length === 0 || names.includes(scenario.name)) await scenario.run(report);
}
if (json !== undefined) {
  await report.write(json);
  report.say(`written to ${json}`);
}

function usage(fault?: string): never {
  if (fault !== undefined) process.stderr.write(`bench: ${fault}\n`);
  process.stdout.write('npm run bench -- [scenario…] [--json FILE]\n\n');
  for (const { name, about } of SCENARIOS) process.stdout.write(`  ${name.padEnd(14)} ${about}\n`);
  process.exit(fault === undefined ? 0 : 2);
}
