import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configOf, unknownVariables } from './environment.js';

/** deploy/systemd/conduit.service and the site it starts. */
const text = readFileSync(join(import.meta.dirname, '../../deploy/systemd/conduit.service'), 'utf8');
const settings = text
  .split('\n')
  .filter((line) => /^[A-Z]\w*=/.test(line))
  .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
const setting = (name: string) => settings.find(([key]) => key === name)?.[1];
const environment = Object.fromEntries(
  settings
    .filter(([key]) => key === 'Environment')
    .flatMap(([, value]) => value.split(' '))
    .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const),
) as Record<string, string>;

describe('deploy/systemd/conduit.service', () => {
  const config = configOf(environment, { 'shard-urls': 'postgres://c:x@pg-1/c', 'jwt-keys.json': '{}' });

  it('sets variables that the site knows, to values it takes', () => {
    expect(Object.keys(environment).length).toBeGreaterThan(8);
    expect(unknownVariables(environment)).toEqual([]);
    expect(config).toMatchObject({ production: true, trustProxy: true, opsHost: '127.0.0.1' });
  });

  it('lets it stop in order, and does not start it again where its configuration is at fault', () => {
    const limitMs = Number(setting('TimeoutStopSec')) * 1_000;
    expect(limitMs).toBeGreaterThan(config.drainDelayMs + Math.max(config.requestDeadlineMs, 10_000) + 5_000);
    expect([setting('KillSignal'), setting('RestartPreventExitStatus')]).toEqual(['SIGTERM', '78']);
    expect(setting('ExecStart')).toMatch(/^\/usr\/bin\/node .*dist\/src\/main\.js$/);
  });
});
