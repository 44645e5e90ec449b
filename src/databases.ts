import { embeddedDatabaseNames, holdEmbeddedPostgres } from '@rookery/devstack';
import type { Config } from './config/index.js';

/** The databases of the shards, for as long as they are needed. */
export interface Databases {
  readonly urls: readonly string[];
  /** Whether this process started PostgreSQL; false where it runs for others, or is not ours to start. */
  readonly startedHere: boolean;
  release(): Promise<void>;
}

const PREFIX = 'conduit';

/** Those the configuration names, or the embedded ones: shared with every process on the same data folder. */
export async function holdDatabases(
  config: Config,
  onProgress: (line: string) => void = () => undefined,
): Promise<Databases> {
  if (config.shardUrls) {
    return { urls: config.shardUrls, startedHere: false, release: () => Promise.resolve() };
  }
  return holdEmbeddedPostgres({
    dataDir: config.dataDir,
    databases: embeddedDatabaseNames(config.embeddedShards, PREFIX),
    onProgress,
  });
}
