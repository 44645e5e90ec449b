import { execFile } from 'node:child_process';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { allFilesUnder, type Project } from '../project.js';
import type { Rule } from '../rule.js';

const LOOKS_LIKE_A_TEST = /(\.|^)(spec|test)\.\w+$|\/__tests__\//;
const REPOSITORY = join(import.meta.dirname, '../../..');
const CONFIGS = ['jest.config.mjs', 'jest.stack.config.mjs'];

/** A spec that no glob matches passes for ever. Asked of Jest itself, with the configurations that npm test uses. */
export const specsAreRun: Rule = {
  name: 'specs-are-run',
  promise: 'every spec file is run by exactly one Jest configuration',
  check: async ({ root }: Project) => {
    const lists = await Promise.all(CONFIGS.map((config) => listedByJest(config, root)));
    const tests = allFilesUnder(root, '.').filter((path) => LOOKS_LIKE_A_TEST.test(path));
    return tests.flatMap((file) => {
      const runs = lists.filter((list) => list.has(file)).length;
      if (runs === 1) return [];
      return [`${file}:1 is run by ${runs === 0 ? 'no' : 'more than one'} Jest configuration`];
    });
  },
};

/** Files of this repository that a configuration names and a fixture does not have; they choose no tests. */
const SETUP = ['globalSetup', 'globalTeardown', 'testEnvironment', 'setupFiles', 'setupFilesAfterEnv'];

async function listedByJest(config: string, root: string): Promise<Set<string>> {
  const { default: settings } = (await import(pathToFileURL(join(REPOSITORY, config)).href)) as {
    default: Record<string, unknown>;
  };
  const choosing = Object.entries(settings).filter(([name]) => !SETUP.includes(name));
  const here = JSON.stringify({ ...Object.fromEntries(choosing), rootDir: root });
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(REPOSITORY, 'node_modules/jest/bin/jest.js'), '--config', here, '--listTests', '--json'],
    { cwd: root },
  );
  return new Set((JSON.parse(stdout) as string[]).map((path) => relative(root, path)));
}
