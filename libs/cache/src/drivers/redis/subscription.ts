import { createClient } from 'redis';
import { within } from './deadline.js';

export interface SubscriptionSetup {
  readonly channels: readonly string[];
  readonly heard: (message: string, channel: string) => void;
  /** It ended; what is announced from now on is missed. */
  readonly lost: () => void;
}

const CONNECT_MS = 1_000;

/**
 * A connection that only listens. It is never mended behind our back, as node-redis would: what was announced in between
 * would be missed without a trace. A new one is opened instead.
 */
export class Subscription {
  private client: ReturnType<typeof createClient> | undefined;
  private url: string | undefined;
  private process: string | undefined;

  constructor(private readonly setup: SubscriptionSetup) {}

  /** Of the process of Redis that it listens to. */
  get run(): string | undefined {
    return this.process;
  }

  isOpenTo(url: string): boolean {
    return this.url === url && this.client?.isReady === true;
  }

  /** Closes the one before. @throws when it cannot be opened now */
  async open(url: string): Promise<void> {
    const { channels, heard, lost } = this.setup;
    await this.close();
    this.url = url;
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
      const info = await within(CONNECT_MS, client.info('server'));
      this.process = /run_id:(\w+)/.exec(info)?.[1] ?? '';
      await within(CONNECT_MS, client.subscribe([...channels], heard));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    this.process = undefined;
    // What cannot be ended in order is gone already.
    if (client?.isOpen) await client.disconnect().catch(() => undefined);
  }
}
