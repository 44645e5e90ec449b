import { createClient } from 'redis';
import { within } from './deadline.js';

export interface SubscriptionSetup {
  readonly urls: readonly string[];
  readonly channels: readonly string[];
  readonly heard: (message: string, channel: string) => void;
  /** It ended; what is announced from now on is missed. */
  readonly lost: () => void;
}

const CONNECT_MS = 1_000;

/**
 * A connection that only listens. It is never mended behind our back, as node-redis would: what was announced in between
 * would be missed without a trace. A new one is opened instead, by the next address.
 */
export class Subscription {
  private client: ReturnType<typeof createClient> | undefined;
  private turn = 0;

  constructor(private readonly setup: SubscriptionSetup) {}

  get isOpen(): boolean {
    return this.client?.isReady === true;
  }

  /** @throws when it cannot be opened now */
  async open(): Promise<void> {
    const { urls, channels, heard, lost } = this.setup;
    await this.close();
    const url = urls[this.turn % urls.length]!;
    this.turn += 1;
    const client = createClient({
      url,
      disableOfflineQueue: true,
      socket: { reconnectStrategy: false, connectTimeout: CONNECT_MS },
    });
    const end = () => {
      if (this.client !== client) return;
      this.client = undefined;
      lost();
    };
    client.on('error', end);
    client.on('end', end);
    this.client = client;
    try {
      await within(CONNECT_MS, client.connect());
      await within(CONNECT_MS, client.subscribe([...channels], heard));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    // What cannot be ended in order is gone already.
    if (client?.isOpen) await client.disconnect().catch(() => undefined);
  }
}
