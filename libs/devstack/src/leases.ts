import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ownIdentity, stillRuns, type ProcessIdentity } from './process-identity.js';

/**
 * Who uses the server: one file per use, naming its process. A lease is as good as its process: those of dead ones count
 * for nothing and are swept. All of it happens under the lock of the server's folder.
 */
export class Leases {
  constructor(private readonly folder: string) {}

  /** Takes a lease for this process; the result names it. */
  async take(): Promise<string> {
    const name = `${process.pid}-${randomUUID()}`;
    await writeFile(join(this.folder, name), JSON.stringify(await ownIdentity()), { mode: 0o644 });
    return name;
  }

  async giveUp(name: string): Promise<void> {
    await rm(join(this.folder, name), { force: true });
  }

  /** Sweeps leases of dead processes; how many of living ones remain. */
  async sweep(): Promise<number> {
    let living = 0;
    for (const name of await readdir(this.folder)) {
      if (await this.lives(name)) living += 1;
      else await this.giveUp(name);
    }
    return living;
  }

  private async lives(name: string): Promise<boolean> {
    const text = await readFile(join(this.folder, name), 'utf8');
    const identity = parse(text);
    return identity !== undefined && (await stillRuns(identity));
  }
}

function parse(text: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(text) as ProcessIdentity;
  } catch {
    // Torn by a crash while it was written: its process is gone.
    return undefined;
  }
}
