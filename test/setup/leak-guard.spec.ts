import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONFIG = JSON.stringify({
  rootDir: ROOT,
  testMatch: ['<rootDir>/test/setup/fixtures/leaks.fixture.mjs'],
  testEnvironment: '<rootDir>/test/setup/leak-guard-environment.mjs',
  // What leaks here leaks for ever.
  testEnvironmentOptions: { leakGraceMs: 500 },
  transform: {},
});

async function run(name: string): Promise<{ code: number; said: string }> {
  const flags = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--config', CONFIG];
  // Jest waits for what keeps the process alive, which is what leaks here.
  const child = spawn(process.execPath, [...flags, '--forceExit', '--testNamePattern', name], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, said };
}

describe('the leak guard', () => {
  it.each([
    ['leaks a server', 'TCPServerWrap'],
    ['leaks a socket', 'TCPSocketWrap'],
    ['leaks a timer', 'Timeout'],
  ])(
    'fails a file that %s, and names it',
    async (name, resource) => {
      const { code, said } = await run(name);
      expect(said).toContain(`this test file leaks ${resource}`);
      expect(code).toBe(1);
    },
    60_000,
  );

  it('passes a file that closes what it opens', async () => {
    const { code, said } = await run('leaks nothing');
    expect(said).not.toContain('this test file leaks');
    expect(code).toBe(0);
  }, 60_000);
});
