import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { PrometheusMeter } from '@rookery/observability';

export interface MetricsServer {
  /** `host:port` */
  readonly address: string;
  close(): Promise<void>;
}

/** Serves what this process measures, to this machine alone, on a port that is free. */
export async function serveMetrics(meter: PrometheusMeter): Promise<MetricsServer> {
  const server = createServer((_, response) => {
    meter.exposition().then(
      ({ contentType, text }) => response.setHeader('content-type', contentType).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * The files by which a Prometheus follows a cluster (`file_sd_configs`, see deploy/prometheus/cluster.yml): `replicas.json`
 * and `edge.json`. Each is whole whenever it is read.
 */
export class ScrapeTargets {
  private readonly written = new Map<string, string>();
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    private readonly folder: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  static async in(folder: string, onError: (error: unknown) => void): Promise<ScrapeTargets> {
    await mkdir(folder, { recursive: true });
    return new ScrapeTargets(folder, onError);
  }

  /** Resolves when the file says so; what could not be written is told, and the next change tries again. */
  tell(kind: 'replicas' | 'edge', targets: readonly string[]): Promise<void> {
    const text = JSON.stringify([{ targets: [...targets].sort() }]);
    this.writing = this.writing
      .then(() => this.write(join(this.folder, `${kind}.json`), text))
      .catch(this.onError);
    return this.writing;
  }

  private async write(path: string, text: string): Promise<void> {
    if (this.written.get(path) === text) return;
    await writeFile(`${path}.next`, text);
    await rename(`${path}.next`, path);
    this.written.set(path, text);
  }
}
