import { fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIST } from '../databases.js';
import type { Outcome } from './hazard.js';
import { hazards } from './hazards.js';
import { libraries } from './libraries/index.js';

/** A cell of the table as `--json` writes it; an outcome of null: the hazard cannot come up. */
export interface Cell {
  readonly hazard: string;
  readonly library: string;
  readonly outcome: Outcome | null;
}

const LIMIT_MS = 60_000;
const AT_ONCE = 2;

const words = process.argv.slice(2);
const [only, json] = ['--only', '--json'].map((flag) => words.at(words.indexOf(flag) + 1 || words.length));
const columns = libraries.filter(({ name }) => only === undefined || name === only);

const cells: Cell[] = [];
const work = hazards.flatMap((hazard) => columns.map((library) => ({ hazard, library })));
const results = new Map<string, Outcome | null>();
const next = work.values();
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (const { hazard, library } of next) {
      const outcome = await tried(hazards.indexOf(hazard), libraries.indexOf(library));
      results.set(`${hazard.name}/${library.name}`, outcome);
    }
  }),
);
for (const { hazard, library } of work) {
  const outcome = results.get(`${hazard.name}/${library.name}`) ?? null;
  cells.push({ hazard: hazard.name, library: library.name, outcome });
}
print();
if (json !== undefined) await writeFile(json, `${JSON.stringify(cells, null, 2)}\n`);

/** In a process of its own, which the library may end. */
function tried(hazard: number, library: number): Promise<Outcome | null> {
  return new Promise((resolve) => {
    const args = [String(hazard), String(library)];
    const child = fork(join(DIST, 'bench/hazards/cell.js'), args, { silent: true });
    let said: Outcome | null | undefined;
    let complaint = '';
    child.stderr?.on('data', (chunk) => (complaint += String(chunk)));
    child.stdout?.resume();
    child.once('message', (outcome: Outcome | null) => (said = outcome));
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(limit);
      if (said === undefined) process.stderr.write(`${complaint.trim().slice(-600)}\n`);
      resolve(said === undefined ? { clean: false, seen: 'the process ends' } : said);
    });
  });
}

/** As Markdown, so that it can stand in a README as it is. */
function print(): void {
  const head = ['', ...columns.map(({ name }) => name)];
  const rows = hazards.map(({ name }) => [
    name,
    ...cells.filter(({ hazard }) => hazard === name).map(({ outcome }) => textOf(outcome)),
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length), 3));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |\n`;
  process.stdout.write(line(head) + line(widths.map((width) => '-'.repeat(width))) + rows.map(line).join(''));
}

function textOf(outcome: Outcome | null): string {
  if (outcome === null) return '–';
  return outcome.clean ? outcome.seen : `**${outcome.seen}**`;
}
