import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { edgeRender, edgeRun } from '@rookery/cli';
import { edgeOperations } from '../../src/edge-operations.js';
import { configOf, unknownVariables } from './environment.js';

const settingsOf = (unit: string) =>
  readFileSync(join(import.meta.dirname, '../../deploy/systemd', unit), 'utf8')
    .split('\n')
    .filter((line) => /^[A-Z]\w*=/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const);
/** deploy/systemd/conduit.service and the site it starts. */
const settings = settingsOf('conduit.service');
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

describe('deploy/systemd/conduit-nginx.service and conduit-edge.service', () => {
  const [nginx, edge] = ['conduit-nginx.service', 'conduit-edge.service'].map(
    (unit) => (name: string) => settingsOf(unit).flatMap(([key, value]) => (key === name ? [value] : [])),
  );

  it('are about one folder, as one user', () => {
    const folder = /\/var\/lib\/conduit-edge\b/;
    for (const line of [...nginx!('ExecStartPre'), ...nginx!('ExecStart'), ...edge!('ExecStart')])
      expect(line).toMatch(folder);
    expect([nginx!('StateDirectory'), edge!('StateDirectory')]).toEqual([['conduit-edge'], ['conduit-edge']]);
    expect(edge!('User')).toEqual(nginx!('User'));
  });

  it('call commands with flags that these have', () => {
    const [run] = edge!('ExecStart');
    const { path, flags = [] } = edgeRun({
      service: 'conduit',
      untilStopped: () => new AbortController().signal,
      operations: edgeOperations,
    });
    expect(run).toContain(`dist/src/cli.js ${path.join(' ')} `);
    const given = [...run!.split(' edge run ')[1]!.matchAll(/--[a-z-]+/g)].map(([flag]) => flag);
    expect(given).toEqual(['--etcd', '--nginx', '--ops']);
    for (const flag of given) expect(flags.some((one) => one.flags.startsWith(`${flag} `))).toBe(true);
    const [render] = nginx!('ExecStartPre');
    expect(render).toContain(`dist/src/cli.js ${edgeRender.path.join(' ')} deploy/nginx `);
    expect(edge!('RestartPreventExitStatus')).toEqual(['2 78']);
  });

  it('have an operations port, for this machine alone unless somebody says otherwise', () => {
    expect(edge!('ExecStart')[0]).toContain('--ops ${OPS_HOST}:${OPS_PORT} ');
    expect(edge!('Environment')).toContain('OPS_HOST=127.0.0.1 OPS_PORT=3100');
  });
});
