import { createLogger } from '@rookery/observability';
import { Migrator, Shards } from '@rookery/sharding';
import { shardingOptions } from '../app.module.js';
import type { Config } from '../config/index.js';
import { holdDatabases } from '../databases.js';
import { migrations } from '../schema.js';

/** For one statement of a batch, or a recount of all rows: no request waits for it. */
const STATEMENT_LIMIT_MS = 15 * 60_000;

export interface OpenShards {
  readonly shards: Shards;
  close(): Promise<void>;
}

/** The shards that the configuration names, brought up to date where the site would do so itself. */
export async function openShards(config: Config, onProgress: (line: string) => void): Promise<OpenShards> {
  const databases = await holdDatabases(config, onProgress);
  let shards: Shards | undefined;
  const close = async (): Promise<void> => {
    await shards?.close();
    await databases.release();
  };
  try {
    const logger = createLogger({
      service: 'conduit',
      replicaId: config.replicaId,
      level: 'error',
      format: config.logFormat,
      destination: { write: (line) => process.stderr.write(line) },
    });
    const options = shardingOptions({ config, shardUrls: databases.urls, logger });
    if (config.migrateAtStart) {
      await new Migrator({ shards: options.shards, controlUrl: options.controlUrl, migrations }).up();
    }
    shards = new Shards({
      ...options,
      poolMax: 4,
      defaultDeadlineMs: STATEMENT_LIMIT_MS,
      applicationName: 'conduit seed',
    });
    const { away } = await shards.start();
    if (away.length > 0) throw new Error(`shard ${away.join(', ')} does not answer: all are needed`);
    return { shards, close };
  } catch (error) {
    await close();
    throw error;
  }
}
