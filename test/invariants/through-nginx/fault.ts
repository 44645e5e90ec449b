import type { EdgeScene } from './scene.js';

/**
 * Which requests must be answered as if nothing had happened: all, those that may be repeated, or of these only those that
 * need nothing of the shard with a server of its own.
 */
export type Spared = 'all' | 'reads' | 'reads elsewhere';

/** One row of the table: what goes wrong behind Nginx, or in front of it, while the site is used. */
export interface EdgeFault {
  readonly name: string;
  /** As the end of "nothing is lost when …". */
  readonly about: string;
  /** What no client may notice, but by waiting. */
  readonly spares: Spared;
  /** Makes it happen and mends what does not mend itself. @throws where something is not as it must be meanwhile */
  readonly inject: (scene: EdgeScene) => Promise<void>;
}
