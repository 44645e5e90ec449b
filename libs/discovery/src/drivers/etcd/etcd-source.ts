import { BackgroundLoop, type Meter } from '@rookery/kernel';
import type { Instance } from '../../registry.js';
import type { ServiceView } from '../../service-view.js';
import type { Source } from '../../service-watches.js';
import type { KeyValue, WatchEvent, WatchResponse, WatchStream } from './etcd-api.js';
import type { EtcdClient } from './etcd-client.js';
import { instanceIn, keyOf, rangeOf } from './keys.js';

export interface EtcdSourceOptions {
  readonly client: EtcdClient;
  readonly prefix: string;
  readonly service: string;
  readonly view: ServiceView;
  /** From one list to the next. */
  readonly intervalMs: number;
  readonly onError: (error: unknown) => void;
  readonly meter?: Meter;
}

/** More replicas than any load balancer here takes; what is beyond is left out. */
const MOST_INSTANCES = 1_024;
const SHORT_LIVED_MS = 500;

/**
 * What etcd says of one service. It is listed, and watched from the very revision after the list, so nothing falls between.
 * The list is asked for again every few seconds, which tells an etcd that hangs from one where nothing happens, mends what a
 * watch has missed, and shows that an etcd was emptied: its revision has gone back. A watch that ends, because its revision
 * was compacted away or its member is gone, is opened anew from the next list.
 */
export class EtcdSource implements Source {
  private readonly loop: BackgroundLoop;
  private known = new Map<string, Instance>();
  /** The state of `known`. */
  private revision = 0n;
  private stream: WatchStream | undefined;
  private openedAt = 0;

  constructor(private readonly options: EtcdSourceOptions) {
    const { intervalMs, meter } = options;
    this.loop = new BackgroundLoop({
      name: 'discovery-watch',
      intervalMs,
      maxBackoffMs: intervalMs,
      ...(meter && { meter }),
      run: (signal) => this.list(signal),
      onError: (error) => {
        this.drop();
        options.view.lost();
        options.onError(error);
      },
    });
    this.loop.start();
  }

  async stop(): Promise<void> {
    const stopped = this.loop.stop();
    this.drop();
    await stopped;
    this.drop();
  }

  private async list(signal: AbortSignal): Promise<void> {
    const { client, prefix, service, view } = this.options;
    const before = this.revision;
    const range = { ...rangeOf(prefix, service), limit: MOST_INSTANCES };
    const { header, kvs } = await client.call('Range', range, signal);
    if (signal.aborted) return;
    const revision = BigInt(header.revision);
    const emptied = revision < before;
    if (emptied) this.drop();
    // Else what the watch has told meanwhile is newer.
    if (emptied || revision >= this.revision) {
      this.known = new Map(kvs.flatMap((kv) => this.entryOf(kv)));
      this.revision = revision;
      view.update([...this.known.values()], emptied);
    } else view.update([...this.known.values()]);
    if (this.stream === undefined) this.watchFrom(this.revision + 1n);
  }

  private watchFrom(revision: bigint): void {
    const { client, prefix, service } = this.options;
    const stream = client.openWatch();
    this.stream = stream;
    this.openedAt = performance.now();
    stream.on('data', (response: WatchResponse) => {
      if (this.stream !== stream) return;
      if (response.canceled) this.ended(stream, response.compact_revision !== '0');
      else if (response.events.length > 0) this.apply(response);
    });
    // The next list says why, if it fails, too.
    stream.on('error', () => this.ended(stream));
    stream.on('end', () => this.ended(stream));
    stream.write({
      create_request: { ...rangeOf(prefix, service), start_revision: revision.toString() },
    });
  }

  private apply({ events }: WatchResponse): void {
    for (const event of events) this.applyOne(event);
    // Not the header's: a watch that catches up is told in pieces, and each says how far etcd is.
    const last = events.map(({ kv }) => BigInt(kv.mod_revision)).at(-1)!;
    if (last > this.revision) this.revision = last;
    this.options.view.update([...this.known.values()]);
  }

  private applyOne({ type, kv }: WatchEvent): void {
    // The list had it already.
    if (BigInt(kv.mod_revision) <= this.revision) return;
    const id = this.idOf(kv);
    const instance = type === 'PUT' ? instanceIn(this.options.prefix, this.options.service, kv) : undefined;
    if (instance === undefined) this.known.delete(id);
    else this.known.set(id, instance);
  }

  private ended(stream: WatchStream, compacted = false): void {
    if (this.stream !== stream) return;
    this.drop();
    // One that is refused at once is tried again with the next list, not in a circle; a list brings a later revision.
    if (compacted || performance.now() - this.openedAt > SHORT_LIVED_MS) this.loop.wake();
  }

  private drop(): void {
    // What it still says, the error of being cancelled for one, is said to nobody.
    this.stream?.cancel();
    this.stream = undefined;
  }

  private entryOf(kv: KeyValue): [string, Instance][] {
    const { prefix, service } = this.options;
    const instance = instanceIn(prefix, service, kv);
    return instance === undefined ? [] : [[instance.id, instance]];
  }

  private idOf({ key }: KeyValue): string {
    const { prefix, service } = this.options;
    return key.subarray(keyOf(prefix, { service, id: '' }).length).toString();
  }
}
