import { defineErrors } from '@rookery/kernel';
import { shardingErrors } from '@rookery/sharding';
import type { CliCommand, CliOptions } from './cli.options.js';
import { runCli } from './run-cli.js';

const errors = defineErrors('SPEC', { BROKEN: { status: 500, message: 'the {part} is broken' } });

interface Site {
  readonly word: string;
}

/** A command line with one command, and what it wrote. */
function cli(run: CliCommand<Site>['run'], stdout: Partial<CliOptions<Site>['stdout']> = {}) {
  const told = { out: '', err: '', opened: 0, closed: 0 };
  const options: CliOptions<Site> = {
    summary: 'A site',
    version: '1.2.3',
    groups: { word: 'words of the site' },
    commands: [
      {
        path: ['word', 'say'],
        summary: 'say the word',
        flags: [{ flags: '--how-often <times>', summary: 'times' }],
        help: 'It ends with code 0.',
        run,
      },
      { path: ['word', 'keep'], summary: 'keep it', run: () => Promise.resolve() },
      {
        path: ['word', 'send'],
        summary: 'send it',
        args: '<to> [cc]',
        run: ({ args, output }) => Promise.resolve(output.print(JSON.stringify(args))),
      },
    ],
    open: () => {
      told.opened += 1;
      return Promise.resolve({ word: 'rook', close: () => Promise.resolve(void (told.closed += 1)) });
    },
    stdout: { write: (text) => (told.out += text), ...stdout },
    stderr: { write: (text) => (told.err += text) },
  };
  return { told, call: (...argv: string[]) => runCli(argv, options) };
}

const nothing = (): Promise<void> => Promise.resolve();

describe('runCli', () => {
  it('runs the command that is named, with its flags, and closes what it opened', async () => {
    const { told, call } = cli(async ({ open, flags, output }) => {
      const [{ word }] = await Promise.all([open(), open()]);
      output.print(word.repeat(Number(flags['howOften'])));
    });
    expect(await call('word', 'say', '--how-often', '2')).toBe(0);
    expect(told).toEqual({ out: 'rookrook\n', err: '', opened: 1, closed: 1 });
  });

  it('hands over what follows the name, by name', async () => {
    const { told, call } = cli(nothing);
    expect(await call('word', 'send', 'ada', '--json')).toBe(0);
    expect(await call('word', 'send', 'ada', 'bob')).toBe(0);
    expect(told.out).toBe('{"to":"ada"}\n{"to":"ada","cc":"bob"}\n');
    await call('--help');
    expect(told.out).toContain('word send <to> [cc]');
  });

  it('says on standard error how it gets on, and what went wrong after that in a line of its own', async () => {
    const { told, call } = cli(async ({ progress }) => {
      progress.say('half of it');
      await Promise.resolve();
      throw new Error('no luck');
    });
    expect(await call('word', 'say')).toBe(1);
    expect(told).toMatchObject({ out: '', err: 'half of it\nrookery: no luck\n' });
  });

  it('prints where the progress stood on a terminal, not behind it', async () => {
    let screen = '';
    const terminal = { write: (text: string) => (screen += text), isTTY: true };
    await runCli(['word', 'say'], {
      summary: 'A site',
      version: '1',
      groups: {},
      commands: [
        {
          path: ['word', 'say'],
          summary: 'say it',
          run: async ({ progress, output }) => {
            progress.say('half of it');
            output.print('done');
          },
        },
      ],
      open: () => Promise.reject(new Error('nothing to open')),
      stdout: terminal,
      stderr: terminal,
    });
    expect(screen).toBe('\r\u001b[2Khalf of it\r\u001b[2Kdone\n');
  });

  it('opens nothing for a command that needs nothing', async () => {
    const { told, call } = cli(nothing);
    expect(await call('word', 'keep')).toBe(0);
    expect(told.opened).toBe(0);
  });

  it("ends with the command's own code", async () => {
    expect(await cli(() => Promise.resolve(1)).call('word', 'say')).toBe(1);
  });

  it.each([
    [['wat'], "rookery: unknown command 'wat'"],
    [['word', 'sya'], 'Did you mean say?'],
    [['word', 'say', '--loud'], "unknown option '--loud'"],
    [['word', 'say', '--how-often'], 'argument missing'],
    [['word', 'say', 'what'], 'too many arguments'],
    [['word', 'send'], "missing required argument 'to'"],
    [['word', 'send', 'a', 'b', 'c'], 'too many arguments'],
  ])('says what is wrong with %j, shows help, and ends with 2', async (argv, complaint) => {
    const { told, call } = cli(nothing);
    expect(await call(...argv)).toBe(2);
    expect(told.err).toContain(complaint);
    expect(told.err).toContain('Usage: rookery');
    expect(told.out).toBe('');
  });

  it('ends with 2 and help where nothing is asked for', async () => {
    const { told, call } = cli(nothing);
    expect(await call()).toBe(2);
    expect(told.err).toContain('word say');
  });

  it('shows every command at one look, on standard output', async () => {
    const { told, call } = cli(nothing);
    expect(await call('--help')).toBe(0);
    expect(told.out).toMatch(/word say\s+say the word\n\s+word keep\s+keep it/);
    expect(told.err).toBe('');
  });

  it('shows what a command takes and tells', async () => {
    const { told, call } = cli(nothing);
    expect(await call('word', 'say', '--help')).toBe(0);
    expect(told.out).toMatch(/--how-often <times>\s+times/);
    expect(told.out).toMatch(/--json\s+answer in JSON/);
    expect(told.out).toContain('It ends with code 0.');
  });

  it('prints its version', async () => {
    const { told, call } = cli(nothing);
    expect(await call('--version')).toBe(0);
    expect(told.out).toBe('1.2.3\n');
  });

  it.each([
    [
      'a coded error',
      errors.create('BROKEN', { data: { part: 'wing' } }),
      1,
      'the wing is broken (RK_SPEC_BROKEN)',
    ],
    ['any other error', new Error('no luck'), 1, 'no luck'],
    [
      'an error without words',
      new AggregateError([new Error('first'), new Error('second')]),
      1,
      'first; second',
    ],
    [
      'a fault of the configuration',
      Object.assign(new Error('PORT: expected a port'), { exitCode: 78 }),
      78,
      'PORT',
    ],
    [
      'databases of another cluster',
      shardingErrors.create('IDENTITY', { data: { position: 1, found: 's2', expected: 's1' } }),
      78,
      'RK_SHARDING_IDENTITY',
    ],
  ])('tells %s in one line, and closes what was opened', async (_, error, code, line) => {
    const { told, call } = cli(async ({ open }) => {
      await open();
      throw error;
    });
    expect(await call('word', 'say')).toBe(code);
    expect(told.err).toContain(line);
    expect(told.err.match(/\n/g)).toHaveLength(1);
    expect(told.closed).toBe(1);
  });

  it('has colours on a terminal that has them, and nowhere else', async () => {
    const red = (stdout: object) => {
      const line = cli(({ output }) => Promise.resolve(output.print(output.paint('red', 'x'))), stdout);
      return line.call('word', 'say').then(() => line.told.out);
    };
    expect(await red({ isTTY: true, hasColors: () => true })).toBe('\u001b[31mx\u001b[39m\n');
    expect(await red({ isTTY: true, hasColors: () => false })).toBe('x\n');
    expect(await red({ hasColors: () => true })).toBe('x\n');
  });

  it('answers programs in JSON', async () => {
    const { told, call } = cli(({ json, output }) => Promise.resolve(output.json({ json })));
    await call('word', 'say', '--json');
    expect(JSON.parse(told.out)).toEqual({ json: true });
  });
});
