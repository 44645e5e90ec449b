import { writeFile } from 'node:fs/promises';

/** One row of the result, in the form `--json` writes. */
export interface Measure {
  readonly scenario: string;
  readonly measure: string;
  readonly ours: number;
  readonly baseline: number;
  /** ours / baseline; where both took turns, the median of what this was in each turn */
  readonly ratio: number;
  readonly unit: string;
  readonly higherIsBetter: boolean;
}

/** What one side did in one round. */
export interface Round {
  readonly operations: number;
  readonly seconds: number;
  /** CPU time of the side's own process, milliseconds. */
  readonly cpuMs: number;
  /** CPU time of PostgreSQL, milliseconds. */
  readonly postgresMs?: number;
}

export type Side = () => Promise<Round>;

export interface Scenario {
  readonly name: string;
  /** One line for `--help`. */
  readonly about: string;
  run(report: Report): Promise<void>;
}

/** Rounds of each side; odd, so that the median is one of them. */
const ROUNDS = 5;

/** Collects what the scenarios measure, prints it as it comes, and writes it at the end. */
export class Report {
  readonly measures: Measure[] = [];

  constructor(private readonly print: (line: string) => void = (line) => process.stdout.write(`${line}\n`)) {}

  say(line: string): void {
    this.print(line);
  }

  add(
    scenario: string,
    measure: string,
    ours: number,
    baseline: number,
    unit: string,
    higherIsBetter: boolean,
    ratio = ours / baseline,
  ): void {
    const row = { scenario, measure, ours, baseline, ratio, unit, higherIsBetter };
    this.measures.push(row);
    this.print(rowOf(row));
  }

  /**
   * Runs both sides by turns, after a round each that does not count, and adds the medians: throughput, CPU per operation
   * of the side's own process, and of PostgreSQL where it is known. Taking turns makes a noisy neighbour hit both alike, and
   * the ratio is the median of the turns' own ones: what changes from turn to turn does not tell on it.
   */
  async compare(scenario: string, label: string, ours: Side, baseline: Side, turns = ROUNDS): Promise<void> {
    await ours();
    await baseline();
    const rounds: { ours: Round[]; baseline: Round[] } = { ours: [], baseline: [] };
    for (let round = 0; round < turns; round++) {
      const first = round % 2 === 0;
      for (const side of first ? (['ours', 'baseline'] as const) : (['baseline', 'ours'] as const)) {
        rounds[side].push(await (side === 'ours' ? ours() : baseline()));
      }
    }
    const row = (
      measure: string,
      of: (round: Round) => number,
      unit: string,
      higherIsBetter: boolean,
    ): void => {
      const [mine, theirs] = [rounds.ours.map(of), rounds.baseline.map(of)];
      const ratio = median(mine.map((value, turn) => value / theirs[turn]!));
      this.add(scenario, `${label}: ${measure}`, median(mine), median(theirs), unit, higherIsBetter, ratio);
    };
    row('throughput', (r) => r.operations / r.seconds, '1/s', true);
    row('CPU of Node', (r) => r.cpuMs / r.operations, 'ms/op', false);
    if (rounds.ours[0]?.postgresMs !== undefined) {
      row('CPU of PostgreSQL', (r) => (r.postgresMs ?? 0) / r.operations, 'ms/op', false);
    }
  }

  header(): void {
    this.print(
      `${pad('scenario', 14)}${pad('measure', 52)}${num('ours')}${num('baseline')}${num('ratio')}  unit`,
    );
  }

  async write(file: string): Promise<void> {
    await writeFile(file, `${JSON.stringify(this.measures, null, 2)}\n`);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function rowOf({ scenario, measure, ours, baseline, ratio, unit, higherIsBetter }: Measure): string {
  const better = Math.abs(ratio - 1) < 0.02 ? ' ' : ratio > 1 === higherIsBetter ? '+' : '-';
  return `${pad(scenario, 14)}${pad(measure, 52)}${num(digits(ours))}${num(digits(baseline))}${num(ratio.toFixed(2))} ${better} ${unit}`;
}

function digits(value: number): string {
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(2) : value.toFixed(4);
}

const pad = (text: string, width: number): string => text.padEnd(width);
const num = (text: string): string => text.padStart(11);
