import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '../..');

export interface Ended {
  readonly code: number | null;
  /** Standard output and error, as they came. */
  readonly output: string;
  /** Standard output alone: what comes by two pipes may change places with what comes by the other. */
  readonly stdout: string;
}

/** A folder with this repository's scripts and installed packages, and files of the test's own. */
export class ScratchRepository {
  readonly root = mkdtempSync(join(tmpdir(), 'rookery-scripts-'));

  constructor(files: Readonly<Record<string, string>>) {
    cpSync(join(repository, 'scripts'), join(this.root, 'scripts'), { recursive: true });
    cpSync(join(repository, '.ci'), join(this.root, '.ci'), { recursive: true });
    symlinkSync(join(repository, 'node_modules'), join(this.root, 'node_modules'));
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text, { mode: 0o755 });
  }

  start(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const inherited = { ...process.env };
    // Jest's own: a Jest inside this one is to behave as if it were alone.
    delete inherited['JEST_WORKER_ID'];
    delete inherited['NODE_OPTIONS'];
    return spawn(program, args, {
      cwd: this.root,
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  run(program: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended> {
    return ended(this.start(program, args, env));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export async function ended(child: ChildProcess): Promise<Ended> {
  let output = '';
  let stdout = '';
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, output, stdout };
}
