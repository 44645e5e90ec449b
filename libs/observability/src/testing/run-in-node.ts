import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A script under way in a Node process of its own. */
export interface RunningScript {
  /** The next line of standard output; `undefined` once it has ended. */
  nextLine(): Promise<string | undefined>;
  /** Writes to standard input. */
  write(text: string): void;
  /** Ends standard input, which scripts take as their sign to stop, and waits for the exit. */
  stop(): Promise<Exit>;
  /** Ends it whatever it does. */
  kill(): Promise<Exit>;
  readonly exit: Promise<Exit>;
}

export interface Exit {
  readonly code: number | null;
  readonly stderr: string;
}

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

const HOOKS = `
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
const { transformSync } = createRequire(${JSON.stringify(`${ROOT}package.json`)})('@swc/core');
const options = {
  swcrc: false,
  jsc: {
    target: 'es2023',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  module: { type: 'es6' },
};
export const resolve = (specifier, context, next) =>
  next(/^[.].*[.]js$/.test(specifier) && context.parentURL?.endsWith('.ts') ? specifier.slice(0, -2) + 'ts' : specifier, context);
export const load = (url, context, next) =>
  url.endsWith('.ts')
    ? { format: 'module', shortCircuit: true, source: transformSync(readFileSync(fileURLToPath(url), 'utf8'), options).code }
    : next(url, context);
`;

const REGISTER = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(HOOKS))});`;

/**
 * Runs `script` (an ES module) in plain Node on the library's sources, as \`lib\`: for what Jest's own module loader or its
 * process cannot show, such as what reaches standard output when a process exits.
 */
export function runInNode(script: string): RunningScript {
  const index = new URL('../index.ts', import.meta.url).href;
  const source = `import 'reflect-metadata';\nimport * as lib from ${JSON.stringify(index)};\n${script}`;
  const child = spawn(
    process.execPath,
    ['--conditions=rookery-source', '--import', dataUrl(REGISTER), '--input-type=module', '-e', source],
    { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exit = new Promise<Exit>((resolve) => child.on('close', (code) => resolve({ code, stderr })));
  return {
    nextLine: async () => {
      const { value, done } = await lines.next();
      return done === true ? undefined : value;
    },
    write: (text) => void child.stdin.write(text),
    stop: () => {
      child.stdin.end();
      return exit;
    },
    kill: () => {
      child.kill('SIGKILL');
      return exit;
    },
    exit,
  };
}

function dataUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
