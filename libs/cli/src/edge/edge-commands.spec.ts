import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noopMeter, type HealthProbe } from '@rookery/kernel';
import { runCli } from '../run-cli.js';
import { edgeRender } from './edge-render.js';
import { edgeRun, type EdgeOperations } from './edge-run.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'edge-commands-'));
});
afterEach(() => rm(folder, { recursive: true }));

const namesOf = (probes: readonly HealthProbe[]): string => probes.map(({ name }) => name).join();
/** What was asked of the operations, in order. */
const asked: string[] = [];
const operations = (): EdgeOperations => ({
  meter: noopMeter,
  serve: async ({ host, port, probes }) => {
    if (port === 1) throw new Error('port 1 may not be opened');
    asked.push(`serve ${host} ${port}: ${namesOf(probes())}`);
    return {
      url: `http://${host}:${port}`,
      setStopping: () => void asked.push('stopping'),
      close: async () => void asked.push(`close: ${namesOf(probes())}`),
    };
  },
});

async function call(...argv: readonly string[]) {
  let out = '';
  let err = '';
  const untilStopped = (): AbortSignal => {
    const stop = new AbortController();
    setImmediate(() => stop.abort());
    return stop.signal;
  };
  const code = await runCli(['edge', ...argv], {
    summary: 'spec',
    version: '0',
    groups: {},
    commands: [edgeRun({ service: 'shop', untilStopped, operations }), edgeRender],
    open: () => Promise.reject(new Error('it needs no database')),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

describe('rookery edge run', () => {
  it.each([
    ['no balancer', [], 'say which balancer: --nginx <prefix> or --haproxy <socket>'],
    ['two balancers', ['--nginx', 'a', '--haproxy', 'b'], 'say which balancer'],
    [
      'an unknown registry',
      ['--haproxy', 'x', '--registry', 'consul'],
      "--registry takes etcd, dns or static, not 'consul'",
    ],
    ['no etcd', ['--haproxy', 'x'], 'say where etcd is: --etcd <endpoints>'],
    [
      "another driver's flag",
      ['--haproxy', 'x', '--registry', 'dns', '--etcd', 'a:1'],
      '--etcd is not for --registry dns',
    ],
    ['no name', ['--haproxy', 'x', '--registry', 'dns'], 'say which name DNS has: --dns <name>'],
    [
      'half a certificate',
      ['--haproxy', 'x', '--etcd', 'a:1', '--etcd-cert', 'c'],
      '--etcd-cert and --etcd-key belong together',
    ],
    [
      'a service that is none',
      ['--haproxy', 'x', '--service', 'a;b'],
      "--service takes a name like conduit, not 'a;b'",
    ],
    [
      'operations nowhere',
      ['--haproxy', 'x', '--ops', '3100'],
      "--ops takes host:port like 127.0.0.1:3100, not '3100'",
    ],
    ['an unknown flag', ['--nginxx', 'x'], "unknown option '--nginxx'"],
  ])('refuses %s with 2', async (_, flags, said) => {
    const { code, err, out } = await call('run', ...flags);
    expect(err).toContain(said);
    expect([code, out]).toEqual([2, '']);
  });

  it.each([
    [
      'an endpoint that is none',
      ['--etcd', 'nonsense'],
      "the endpoint 'nonsense' is no host:port (RK_DISCOVERY_BAD_OPTIONS)",
    ],
    ['a replica that is none', ['--registry', 'static', '--replicas', 'a;b:1'], 'RK_DISCOVERY_BAD_INSTANCE'],
    [
      'a file that is not there',
      ['--etcd', 'a:1', '--etcd-ca', '/nowhere/ca.pem'],
      'RK_DISCOVERY_BAD_OPTIONS',
    ],
  ])('refuses %s with 78, by code', async (_, flags, said) => {
    const { code, err } = await call('run', '--haproxy', join(folder, 'socket'), ...flags);
    expect(err).toContain(said);
    expect(code).toBe(78);
  });

  it('refuses a folder without a configuration with 78, and says what makes one', async () => {
    const { code, err } = await call('run', '--nginx', folder, '--etcd', '127.0.0.1:1');
    expect(err).toMatch(
      /nginx\.conf cannot be read: `rookery edge render` writes one .*\(RK_DISCOVERY_EDGE_OPTIONS\)/,
    );
    expect(code).toBe(78);
  });

  it('runs until it is stopped, and opens no database', async () => {
    await writeFile(join(folder, 'nginx.conf'), 'include upstream.conf;');
    const flags = ['--registry', 'static', '--replicas', '127.0.0.1:1', '--nginx', folder];
    const { code, out } = await call('run', ...flags);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^keeping nginx in step with shop by static\n[^]*stopped; nginx keeps what it has\n$/,
    );
    const status = JSON.parse((await call('run', ...flags, '--json')).out) as unknown;
    expect(status).toMatchObject({ service: 'shop', balancer: 'nginx', running: false });
  });

  it('can be watched where that is asked for, from before it works until it has stopped', async () => {
    await writeFile(join(folder, 'nginx.conf'), 'include upstream.conf;');
    const flags = ['--registry', 'static', '--replicas', '127.0.0.1:1', '--nginx', folder];
    asked.length = 0;
    await call('run', ...flags);
    expect(asked).toEqual([]);
    const { code, out } = await call('run', ...flags, '--ops', '[::1]:3100');
    expect([code, out]).toEqual([0, expect.stringMatching(/^operations are at http:\/\/::1:3100\nkeeping /)]);
    expect(asked).toEqual(['serve ::1 3100: discovery', 'stopping', 'close: discovery,edge']);
    const { code: failed, err } = await call('run', ...flags, '--ops', '127.0.0.1:1');
    expect([failed, err]).toEqual([1, 'rookery: port 1 may not be opened\n']);
  });
});

describe('rookery edge render', () => {
  it('fills in templates, and leaves the upstream to the agent', async () => {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    await mkdir(from);
    await writeFile(join(from, 'nginx.conf'), '#= LISTEN 80   where\nlisten ${LISTEN};\n');
    await writeFile(join(from, 'upstream.conf'), 'first');
    expect(await call('render', from, to, '--set', 'LISTEN=8080')).toMatchObject({ code: 0, err: '' });
    expect(await readFile(join(to, 'nginx.conf'), 'utf8')).toContain('listen 8080;');
    await writeFile(join(to, 'upstream.conf'), 'of the agent');
    await call('render', from, to);
    expect(await readFile(join(to, 'upstream.conf'), 'utf8')).toBe('of the agent');
  });

  it.each([
    ['a value that is none', ['--set', 'listen'], 2, "--set takes NAME=value, not 'listen'"],
    [
      'a name that no template has',
      ['--set', 'NOBODY=1'],
      78,
      'nothing is called NOBODY (RK_DISCOVERY_BAD_TEMPLATE)',
    ],
  ])('refuses %s', async (_, flags, expected, said) => {
    const { code, err } = await call('render', folder, join(folder, 'to'), ...flags);
    expect(err).toContain(said);
    expect(code).toBe(expected);
  });

  it('refuses a folder that is not there, by code', async () => {
    const { code, err } = await call('render', join(folder, 'nowhere'), join(folder, 'to'));
    expect(err).toMatch(/ENOENT.*\(RK_DISCOVERY_BAD_TEMPLATE\)/);
    expect(code).toBe(78);
  });
});
