import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../kafka/free-ports.js';
import { Guard } from '../kafka/guard.js';
import type { LocalServer } from './local-server.js';

export interface Place {
  /** Its own; removed when the guard is released. */
  readonly folder: string;
  readonly ports: readonly number[];
  readonly guard: Guard;
}

const TRIES = 5;

/**
 * Starts what `make` makes, in a temporary folder of its own, on `count` free ports; on others where another process has
 * taken one in the meantime.
 */
export async function startOnFreePorts<T extends { readonly server: LocalServer }>(
  name: string,
  count: number,
  make: (place: Place) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const folder = await mkdtemp(join(tmpdir(), `rookery-${name}-`));
    // As root, the workers of Nginx are another user's processes, which must be able to enter.
    await chmod(folder, 0o755);
    const guard = await Guard.over(folder);
    try {
      const made = await make({ folder, ports: await freePorts(count), guard });
      try {
        await made.server.start();
        return made;
      } catch (error) {
        if (tries === TRIES || !(await made.server.portWasTaken())) throw error;
      }
    } catch (error) {
      await guard.release();
      throw error;
    }
    await guard.release();
  }
}
