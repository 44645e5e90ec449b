// needs: etcd, haproxy, nginx
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { startEtcd, startHaproxy, startNginx, type ProxyPlace } from '@rookery/devstack/testing';
import { until } from '../support/until.js';
import { Etcdctl } from './support/etcdctl.js';
import { ask } from './support/traffic.js';

const LIMIT_MS = 30_000;

describe('servers of a test', () => {
  it('are killed with their workers, and their folder is removed, when whoever started them dies', async () => {
    const owner = spawn(
      process.execPath,
      ['--import', './scripts/run-source.mjs', 'test/stack/support/nginx-process.ts'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const { url, folder } = JSON.parse(line.toString()) as { url: string; folder: string };
    expect((await ask(url)).status).toBe(204);
    owner.kill('SIGKILL');
    await once(owner, 'close');
    await until('nobody to listen', () => ask(url).then(() => false, refused), LIMIT_MS);
    await until('the folder to be gone', async () => !existsSync(folder), LIMIT_MS);
  });

  it('say why they do not start, and leave nothing behind', async () => {
    const folders: string[] = [];
    const files = ({ folder }: ProxyPlace): Record<string, string> => {
      folders.push(folder);
      return { 'nginx.conf': 'nonsense;', 'haproxy.cfg': 'nonsense' };
    };
    await expect(startNginx({ files })).rejects.toThrow(/unknown directive "nonsense"/);
    await expect(startHaproxy({ files })).rejects.toMatchObject({
      code: 'RK_DEVSTACK_SERVER_START_FAILED',
    });
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, false]);
  });

  it('etcd keeps its data when it is killed, loses it when it is started empty, and tells a mistaken test', async () => {
    const etcd = await startEtcd();
    const ctl = new Etcdctl(etcd.endpoint);
    await ctl.put('/kept', 'here');
    await etcd.kill();
    await etcd.start();
    expect(await ctl.get('/kept')).toBe('here');
    const mistaken = { code: 'RK_DEVSTACK_SERVER_WRONG_STATE' };
    await expect(etcd.start()).rejects.toMatchObject(mistaken);
    await expect(etcd.startEmpty()).rejects.toMatchObject(mistaken);
    expect(await ctl.get('/kept')).toBe('here');
    await etcd.stop();
    await expect(etcd.kill()).rejects.toMatchObject(mistaken);
    await etcd.startEmpty();
    expect(await ctl.get('/kept')).toBeUndefined();
    await etcd.close();
    await etcd.close();
  });
});

function refused(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNREFUSED';
}
