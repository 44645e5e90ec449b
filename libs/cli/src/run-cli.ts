import { Command, CommanderError, type Argument } from 'commander';
import { discoveryErrors } from '@rookery/discovery';
import { CodedError } from '@rookery/kernel';
import { shardingErrors } from '@rookery/sharding';
import type { CliCommand, CliOptions, Closable } from './cli.options.js';
import { createOutput } from './terminal/output.js';
import { createProgress } from './terminal/progress.js';

const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** EX_CONFIG of sysexits.h. */
const EXIT_CONFIG = 78;
const CONFIGURATION = ['BAD_OPTIONS', 'BAD_INSTANCE', 'BAD_TEMPLATE', 'EDGE_OPTIONS'] as const;

/**
 * Runs one command line and says how it ended; ends no process and throws nothing.
 *
 * @param argv without the program: `['migrate', 'up', '--json']`
 * @returns 0; 2 if the command line is not understood, with help on standard error; 78 for a fault of the configuration (an
 * error with `exitCode` 78, or databases that are not the ones they should be); else 1. An error is one line on standard error
 */
export async function runCli<Site>(argv: readonly string[], options: CliOptions<Site>): Promise<number> {
  const { name = 'rookery', stdout = process.stdout, stderr = process.stderr } = options;
  let opening: Promise<Site & Closable> | undefined;
  let code = 0;
  const program = new Command(name)
    .description(options.summary)
    .version(options.version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .usage('<command> [options]')
    // One look shows everything there is, not the first words of it.
    .configureHelp({
      visibleCommands: ({ commands }) =>
        commands.flatMap((group) => (group.commands.length > 0 ? group.commands : [group])),
      subcommandTerm: (command) =>
        [...wordsOf(command), ...command.registeredArguments.map(termOf)].join(' '),
    });
  program.addHelpText('after', `\n${name} <command> --help tells more of one.`);
  const progress = createProgress(stderr);
  const groups = new Map<string, Command>();
  for (const command of options.commands) {
    const [group, word] = command.path;
    let parent = word === undefined ? program : groups.get(group);
    if (!parent) {
      parent = program.command(group).description(options.groups[group] ?? '');
      groups.set(group, parent);
    }
    const declared = declare(parent.command(word ?? group), command);
    declared.action(async () => {
      const open = (): Promise<Site> => (opening ??= options.open());
      const flags = declared.opts<Record<string, unknown>>();
      const json = flags['json'] === true;
      const args = argsOf(declared);
      const output = createOutput(stdout, () => progress.clear());
      code = (await command.run({ args, flags, json, open, progress, output })) ?? 0;
    });
  }
  prepare(
    program,
    (text) => stdout.write(text),
    (text) => stderr.write(text),
  );
  try {
    await program.parseAsync([...argv], { from: 'user' });
    progress.clear();
  } catch (error) {
    progress.clear();
    if (error instanceof CommanderError) code = error.exitCode === 0 ? 0 : EXIT_USAGE;
    else {
      stderr.write(`${name}: ${reasonOf(error)}\n`);
      code = exitCodeOf(error);
    }
  }
  try {
    await (await settled(opening))?.close();
  } catch (error) {
    stderr.write(`${name}: ${reasonOf(error)}\n`);
    code ||= EXIT_FAILED;
  }
  return code;
}

function declare<Site>(target: Command, command: CliCommand<Site>): Command {
  target.description(command.summary);
  if (command.args !== undefined) target.arguments(command.args);
  for (const { flags, summary } of command.flags ?? []) target.option(flags, summary);
  target.option('--json', 'answer in JSON, for programs');
  if (command.help !== undefined) target.addHelpText('after', `\n${command.help}`);
  return target;
}

/** What is typed after the program's name. */
function wordsOf(command: Command): string[] {
  return command.parent ? [...wordsOf(command.parent), command.name()] : [];
}

/** As its usage names it. */
function termOf(argument: Argument): string {
  return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
}

function argsOf(command: Command): Record<string, string | undefined> {
  return Object.fromEntries(
    command.registeredArguments.map((argument, i) => [argument.name(), command.args[i]]),
  );
}

/** Settings that commander does not hand down to subcommands by itself. */
function prepare(command: Command, writeOut: (text: string) => void, writeErr: (text: string) => void): void {
  command
    .exitOverride()
    .showHelpAfterError()
    .helpCommand(false)
    .configureOutput({
      writeOut,
      writeErr,
      outputError: (text, write) => write(text.replace(/^error: /, `${rootOf(command).name()}: `)),
    });
  for (const child of command.commands) {
    child.helpOption('-h, --help', 'print this');
    // What the root sets is handed down, and is not meant for its groups.
    child.configureHelp({});
    prepare(child, writeOut, writeErr);
  }
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
}

/** What was opened; nothing where opening failed, which has been told already. */
async function settled<T>(opening: Promise<T> | undefined): Promise<T | undefined> {
  const [opened] = await Promise.allSettled([opening]);
  return opened.status === 'fulfilled' ? opened.value : undefined;
}

function reasonOf(error: unknown): string {
  if (error instanceof CodedError) return `${error.message} (${error.code})`;
  if (!(error instanceof Error)) return String(error);
  // A host with several addresses fails with one error for all of them, which has no words of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  return error.message || error.name;
}

function exitCodeOf(error: unknown): number {
  if (shardingErrors.is(error, 'IDENTITY')) return EXIT_CONFIG;
  if (CONFIGURATION.some((name) => discoveryErrors.is(error, name))) return EXIT_CONFIG;
  const own: unknown = error instanceof Error && 'exitCode' in error ? error.exitCode : undefined;
  return typeof own === 'number' ? own : EXIT_FAILED;
}
