import type { Output } from './terminal/output.js';
import type { Progress } from './terminal/progress.js';

/** A flag of a command. `--json` and `--help` are on every command by themselves. */
export interface CliFlag {
  /** commander's notation: `--exact`, `--to <shards>`. */
  readonly flags: string;
  readonly summary: string;
}

/**
 * A command: one module that says how it is called and what it does. A lib or the site brings its own by giving them to
 * `runCli`.
 *
 * @typeParam Site what the command needs of the site: several commands of one site may need different parts
 */
export interface CliCommand<Site> {
  /** `['migrate', 'up']` is called as `rookery migrate up`, `['capacity']` as `rookery capacity`. */
  readonly path: readonly [group: string, name: string] | readonly [name: string];
  /** One line in the list of commands. */
  readonly summary: string;
  /** Shown under the flags in `--help`: what it tells, exit codes. @default nothing */
  readonly help?: string;
  /** What follows its name, in commander's notation: `<group>`, `[group]`. @default nothing may follow */
  readonly args?: string;
  /** @default [] */
  readonly flags?: readonly CliFlag[];
  /** @returns the exit code, if it is not 0 */
  run(call: CommandCall<Site>): Promise<number | void>;
}

/** One call of a command. */
export interface CommandCall<Site> {
  /** What followed the command's name, by the names in `args`. */
  readonly args: Readonly<Record<string, string | undefined>>;
  /** Flags by their camel-case names, as commander reads them. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Whether the answer is for a program: then `output.json` once, and nothing else on standard output. */
  readonly json: boolean;
  readonly output: Output;
  readonly progress: Progress;
  /** Opens the site's databases at the first call; they are closed when the command has ended. */
  open(): Promise<Site>;
}

/** What `open` gives has an end. */
export interface Closable {
  close(): Promise<void>;
}

/** Where a command writes: standard output and standard error, or what a test reads. */
export interface CliStream {
  write(text: string): unknown;
  /** @default false */
  readonly isTTY?: boolean;
  /** @default 80 */
  readonly columns?: number;
  /** As Node's terminals answer it, with NO_COLOR in mind. @default no colours */
  hasColors?(): boolean;
}

export interface CliOptions<Site> {
  /** As it is called. @default 'rookery' */
  readonly name?: string;
  /** First line of `--help`. */
  readonly summary: string;
  /** Printed by `--version`. */
  readonly version: string;
  /** One line per group of commands: `{ migrate: 'The schema of the shards' }`. */
  readonly groups: Readonly<Record<string, string>>;
  readonly commands: readonly CliCommand<Site>[];
  /** Called once, by the first command that asks. */
  readonly open: () => Promise<Site & Closable>;
  /** @default process.stdout */
  readonly stdout?: CliStream;
  /** @default process.stderr */
  readonly stderr?: CliStream;
}
