import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  access,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import pg from 'pg';
import { devstackErrors } from './devstack.errors.js';
import {
  destroyEmbeddedPostgres,
  holdEmbeddedPostgres,
  type EmbeddedServer,
} from './hold-embedded-postgres.js';
import { firstClosedTo, lookUp, type ServerUser } from './server-user.js';

const HOLDER = fileURLToPath(new URL('../test/holder.mjs', import.meta.url));
const NOBODY = await nobodyWhoCanRunThis();
const settings = { fsync: 'off' };

// A dozen servers are made here, on machines that do other things as well.
jest.setTimeout(120_000);

async function ask<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const answers = (url: string) =>
  ask(url, 'SELECT 1').then(
    () => true,
    () => false,
  );

interface Holder {
  readonly process: ChildProcess;
  readonly said: Omit<EmbeddedServer, 'release'> & { code?: string; message?: string };
  leave(): Promise<void>;
}

describe('holdEmbeddedPostgres', () => {
  let folder: string;
  let dataDir: string;
  let children: ChildProcess[];

  let made: string;

  /** A data folder with a cluster in it, for the tests that are not about making one: a copy is a tenth of the work. */
  const takeMade = () => promisify(execFile)('cp', ['-a', join(made, 'data'), dataDir]);

  beforeAll(async () => {
    made = await mkdtemp(join(tmpdir(), 'rookery-made-'));
    await chmod(made, 0o755);
    const server = await holdEmbeddedPostgres({ dataDir: join(made, 'data'), databases: [], settings });
    await server.release();
  });
  afterAll(() => rm(made, { recursive: true }));

  beforeEach(async () => {
    children = [];
    folder = await mkdtemp(join(tmpdir(), 'rookery-hold-'));
    await chmod(folder, 0o755);
    dataDir = join(folder, 'data');
  });
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'close');
        child.kill('SIGKILL');
        await ended;
      }
    }
    await rm(join(dataDir, 'postgres', 'lock'), { force: true });
    await destroyEmbeddedPostgres(dataDir);
    await rm(folder, { recursive: true });
  });

  async function startHolder(databases: string[] = [], as?: { uid: number; gid: number }): Promise<Holder> {
    const child = spawn(process.execPath, [HOLDER, dataDir, ...databases], {
      stdio: ['pipe', 'pipe', 'inherit'],
      ...as,
    });
    children.push(child);
    const ended = once(child, 'close');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    return {
      process: child,
      said: JSON.parse(line) as Holder['said'],
      leave: async () => {
        child.stdin.end();
        await ended;
      },
    };
  }

  const postmaster = async () =>
    Number((await readFile(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8')).split('\n')[0]);

  it('makes a PostgreSQL 18 with the databases asked for, says so, and stops it with the last lease', async () => {
    const told: string[] = [];
    const onProgress = (line: string) => told.push(line);
    const first = await holdEmbeddedPostgres({ dataDir, databases: ['one', 'two'], settings, onProgress });
    expect(first).toMatchObject({ startedHere: true, firstStart: true });
    const [version] = await ask<{ server_version_num: string }>(first.urls[1]!, 'SHOW server_version_num');
    expect(version!.server_version_num).toMatch(/^18/);
    expect(told[0]).toContain('making the data folder');
    expect(told[1]).toMatch(/first start, ready on 127\.0\.0\.1:\d+ after \d+\.\d\d s, databases one, two/);
    expect(told.join()).not.toContain(new URL(first.adminUrl).password);

    await ask(first.urls[0]!, 'CREATE TABLE kept (n int)');
    const second = await holdEmbeddedPostgres({ dataDir, databases: ['two', 'three', 'one'], settings });
    expect(second).toMatchObject({ startedHere: false, firstStart: false });
    expect(await ask(second.urls[2]!, 'SELECT * FROM kept')).toEqual([]);

    await first.release();
    await first.release();
    expect(await answers(second.adminUrl)).toBe(true);
    await second.release();
    expect(await answers(second.adminUrl)).toBe(false);
    expect(await readdir(join(dataDir, 'postgres/leases'))).toEqual([]);

    const warm = await holdEmbeddedPostgres({ dataDir, databases: ['one'], settings });
    expect(warm).toMatchObject({ startedHere: true, firstStart: false });
    expect(await ask(warm.urls[0]!, 'SELECT * FROM kept')).toEqual([]);
    await warm.release();
  });

  it('runs the server outside the family of the process that started it, and asks for a password', async () => {
    await takeMade();
    const server = await holdEmbeddedPostgres({ dataDir, databases: [], settings });
    const { stdout } = await promisify(execFile)('ps', ['-o', 'ppid=', '-p', String(await postmaster())]);
    expect(Number(stdout)).not.toBe(process.pid);
    const url = new URL(server.adminUrl);
    url.password = 'guessed';
    await expect(ask(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    await server.release();
  });

  it('is shared by processes: the one that started it may leave, the last one stops it', async () => {
    await takeMade();
    const starter = await startHolder(['shared']);
    const other = await startHolder(['shared']);
    expect([starter.said.startedHere, other.said.startedHere]).toEqual([true, false]);
    expect(other.said.urls).toEqual(starter.said.urls);
    await starter.leave();
    expect(await answers(other.said.urls[0]!)).toBe(true);
    await other.leave();
    expect(await answers(other.said.urls[0]!)).toBe(false);
  });

  it('starts one server when four processes ask for it at once', async () => {
    const holders = await Promise.all([1, 2, 3, 4].map((n) => startHolder(['same', `own_${n}`])));
    expect(holders.filter(({ said }) => said.startedHere)).toHaveLength(1);
    expect(new Set(holders.map(({ said }) => said.adminUrl)).size).toBe(1);
    await Promise.all(holders.map((holder) => holder.leave()));
    expect(await answers(holders[0]!.said.adminUrl)).toBe(false);
  });

  it('adopts the server of holders that were killed, and the last to leave stops it', async () => {
    await takeMade();
    const killed = await startHolder();
    const pid = await postmaster();
    const ended = once(killed.process, 'close');
    killed.process.kill('SIGKILL');
    await ended;
    expect(await answers(killed.said.adminUrl)).toBe(true);
    const heir = await holdEmbeddedPostgres({ dataDir, databases: [], settings });
    expect(heir.startedHere).toBe(false);
    expect(await postmaster()).toBe(pid);
    await heir.release();
    expect(await answers(heir.adminUrl)).toBe(false);
  });

  it('recovers a server that was killed, on its old port and without loss', async () => {
    await takeMade();
    const before = await holdEmbeddedPostgres({
      dataDir,
      databases: ['kept'],
      settings: { ...settings, fsync: 'on' },
    });
    await ask(before.urls[0]!, 'CREATE TABLE acknowledged AS SELECT 42 AS answer');
    process.kill(await postmaster(), 'SIGKILL');
    const after = await holdEmbeddedPostgres({ dataDir, databases: ['kept'], settings });
    expect(after.startedHere).toBe(true);
    expect(after.urls).toEqual(before.urls);
    expect(await ask(before.urls[0]!, 'SELECT * FROM acknowledged')).toEqual([{ answer: 42 }]);
    await before.release();
    expect(await answers(after.adminUrl)).toBe(true);
    await after.release();
  });

  it('starts over a pid file whose pid belongs to some other program by now, and over a half-made folder', async () => {
    const draft = join(dataDir, 'postgres/data.new-dead');
    await mkdir(draft, { recursive: true });
    const before = await holdEmbeddedPostgres({ dataDir, databases: [], settings });
    await expect(access(draft)).rejects.toThrow('ENOENT');
    const pidFile = join(dataDir, 'postgres/data/postmaster.pid');
    const text = await readFile(pidFile, 'utf8');
    await before.release();
    // A program of the server's own user, which PostgreSQL cannot tell from a server.
    const { uid } = await stat(pidFile.replace('postmaster.pid', ''));
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore', uid });
    children.push(bystander);
    await once(bystander, 'spawn');
    await writeFile(pidFile, text.replace(/^\d+/, String(bystander.pid)));
    const after = await holdEmbeddedPostgres({ dataDir, databases: [], settings });
    expect(await answers(after.adminUrl)).toBe(true);
    expect(await postmaster()).not.toBe(bystander.pid);
    await after.release();
  });

  it('takes another port when its last one is taken', async () => {
    await takeMade();
    const before = await holdEmbeddedPostgres({ dataDir, databases: [], settings });
    await before.release();
    const port = Number(new URL(before.adminUrl).port);
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const after = await holdEmbeddedPostgres({ dataDir, databases: [], settings });
    expect(Number(new URL(after.adminUrl).port)).not.toBe(port);
    await after.release();
    await new Promise((closed) => squatter.close(closed));
  });

  it('refuses the data folder of another major version, and deletes nothing', async () => {
    const data = join(dataDir, 'postgres/data');
    await mkdir(join(data, 'base'), { recursive: true });
    await writeFile(join(data, 'PG_VERSION'), '16\n');
    await writeFile(join(data, 'base', 'precious'), 'rows');
    const failure = await holdEmbeddedPostgres({ dataDir, databases: [] }).catch((error: unknown) => error);
    expect(devstackErrors.is(failure, 'WRONG_MAJOR_VERSION')).toBe(true);
    expect(String(failure)).toMatch(/made by PostgreSQL 16, and this is PostgreSQL 18: nothing was deleted/);
    expect(await readFile(join(data, 'base', 'precious'), 'utf8')).toBe('rows');
    expect(await readdir(join(dataDir, 'postgres/leases'))).toEqual([]);
  });

  it('refuses a folder that holds something else, and a cluster without its password', async () => {
    const data = join(dataDir, 'postgres/data');
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'thesis.txt'), 'years of work');
    const foreign = await holdEmbeddedPostgres({ dataDir, databases: [] }).catch((error: unknown) => error);
    expect(devstackErrors.is(foreign, 'DATA_DIR_NOT_OURS')).toBe(true);
    await writeFile(join(data, 'PG_VERSION'), '18\n');
    const locked = await holdEmbeddedPostgres({ dataDir, databases: [] }).catch((error: unknown) => error);
    expect(devstackErrors.is(locked, 'PASSWORD_MISSING')).toBe(true);
    expect(await readdir(data)).toEqual(['PG_VERSION', 'thesis.txt']);
  });

  it('says in one line why it cannot write, and why PostgreSQL does not start', async () => {
    await writeFile(join(folder, 'file'), '');
    const unwritable = await holdEmbeddedPostgres({ dataDir: join(folder, 'file'), databases: [] }).catch(
      (error: unknown) => error,
    );
    expect(devstackErrors.is(unwritable, 'DATA_DIR_NOT_WRITABLE')).toBe(true);
    const misconfigured = await holdEmbeddedPostgres({
      dataDir,
      databases: [],
      settings: { ...settings, max_connections: 'many' },
    }).catch((error: unknown) => error);
    expect(devstackErrors.is(misconfigured, 'START_FAILED')).toBe(true);
    expect(String(misconfigured)).toContain('invalid value for parameter "max_connections"');
    for (const failure of [unwritable, misconfigured]) expect(String(failure)).not.toContain('\n');
    expect(await readdir(join(dataDir, 'postgres/leases'))).toEqual([]);
  });

  it('keeps two checkouts apart', async () => {
    await takeMade();
    const one = await holdEmbeddedPostgres({ dataDir, databases: ['same'], settings });
    const elsewhere = join(folder, 'elsewhere');
    const two = await holdEmbeddedPostgres({ dataDir: elsewhere, databases: ['same'], settings });
    expect(two.startedHere).toBe(true);
    expect(new URL(two.adminUrl).port).not.toBe(new URL(one.adminUrl).port);
    expect(new URL(two.adminUrl).password).not.toBe(new URL(one.adminUrl).password);
    await two.release();
    expect(await answers(one.urls[0]!)).toBe(true);
    await one.release();
    await rm(elsewhere, { recursive: true });
  });

  if (process.getuid?.() === 0) {
    it('as root: works in a folder that only root may enter, and loosens no mode', async () => {
      await chmod(folder, 0o700);
      const holder = await startHolder(['closed']);
      expect(holder.said).toMatchObject({ startedHere: true, firstStart: true });
      await ask(holder.said.urls[0]!, 'CREATE TABLE t AS SELECT 1 AS n');
      process.kill(await postmaster(), 'SIGKILL');
      await holder.leave();
      const again = await startHolder(['closed']);
      expect(await ask(again.said.urls[0]!, 'SELECT * FROM t')).toEqual([{ n: 1 }]);
      await again.leave();
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    });
  }

  // Where root's checkout is closed to others, they cannot run this very code, and there is nothing to prove.
  if (NOBODY) {
    it('as anybody: works in a folder of theirs, which root may use as well, and back', async () => {
      await mkdir(dataDir);
      await chown(dataDir, NOBODY.uid, NOBODY.gid);
      for (const [turn, who] of [undefined, NOBODY, undefined].entries()) {
        const holder = await startHolder(['theirs'], who);
        expect(holder.said).toMatchObject({ firstStart: turn === 0, startedHere: true });
        await holder.leave();
      }
      // Whoever the folder belongs to by now, the server goes on as the user it was made by.
      await chown(dataDir, 0, 0);
      const holder = await startHolder(['theirs']);
      expect(holder.said).toMatchObject({ firstStart: false, startedHere: true });
      await holder.leave();
    });

    it('as anybody: refuses a folder it may not write, in one line', async () => {
      const refused = await startHolder([], NOBODY);
      expect(refused.said.code).toBe('RK_DEVSTACK_DATA_DIR_NOT_WRITABLE');
      await expect(access(dataDir)).rejects.toThrow('ENOENT');
    });
  }
});

async function nobodyWhoCanRunThis(): Promise<ServerUser | undefined> {
  const nobody = process.getuid?.() === 0 ? await lookUp('nobody') : undefined;
  const closed = nobody && (await firstClosedTo(nobody, dirname(HOLDER)));
  return closed === undefined ? nobody : undefined;
}
