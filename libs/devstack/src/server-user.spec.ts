import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { firstClosedTo, lookUp } from './server-user.js';

describe('lookUp', () => {
  it('knows a user by name and by number, and nobody else', async () => {
    const { uid, username } = userInfo();
    expect(await lookUp(username)).toMatchObject({ name: username, uid });
    expect(await lookUp(String(uid))).toEqual(await lookUp(username));
    expect(await lookUp('no-such-user-here')).toBeUndefined();
  });
});

describe('firstClosedTo', () => {
  const somebody = { name: 'somebody', uid: 54_321, gid: 54_321 };
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rookery-closed-'));
    await mkdir(join(folder, 'inner', 'data'), { recursive: true, mode: 0o755 });
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('names the folder that stands in the way', async () => {
    await chmod(folder, 0o700);
    expect(await firstClosedTo(somebody, join(folder, 'inner', 'data'))).toBe(folder);
  });

  it('finds none on an open way', async () => {
    await chmod(folder, 0o711);
    expect(await firstClosedTo(somebody, join(folder, 'inner', 'data'))).toBeUndefined();
  });

  it('goes by the bits of the owner for the owner', async () => {
    await chmod(folder, 0o077);
    const owner = { name: 'owner', uid: process.getuid!(), gid: process.getgid!() };
    expect(await firstClosedTo(owner, folder)).toBe(folder);
    await chmod(folder, 0o700);
    expect(await firstClosedTo(owner, folder)).toBeUndefined();
  });
});
