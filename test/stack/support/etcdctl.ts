import type { Instance } from '@rookery/discovery';

/** Writes into etcd as somebody else would, by its own JSON gateway: keys and values in base64. */
export class Etcdctl {
  constructor(private readonly endpoint: string) {}

  async put(key: string, value: string, lease?: string): Promise<void> {
    await this.post('kv/put', { key: base64(key), value: base64(value), ...(lease && { lease }) });
  }

  async get(key: string): Promise<string | undefined> {
    const { kvs } = (await this.post('kv/range', { key: base64(key) })) as { kvs?: { value: string }[] };
    return kvs && Buffer.from(kvs[0]!.value, 'base64').toString();
  }

  /** A replica that nobody keeps alive. */
  async putDying(instance: Instance, ttlSeconds: number): Promise<void> {
    const { ID } = (await this.post('lease/grant', { TTL: ttlSeconds })) as { ID: string };
    await this.put(`/rookery/${instance.service}/${instance.id}`, JSON.stringify(instance), ID);
  }

  /** All in one transaction. */
  async deleteAll(keys: readonly string[]): Promise<void> {
    const success = keys.map((key) => ({ requestDeleteRange: { key: base64(key) } }));
    await this.post('kv/txn', { success });
  }

  async revokeLeaseOf(key: string): Promise<void> {
    const { kvs } = (await this.post('kv/range', { key: base64(key) })) as { kvs: { lease: string }[] };
    await this.post('lease/revoke', { ID: kvs[0]!.lease });
  }

  private async post(path: string, body: unknown): Promise<unknown> {
    const answer = await fetch(`http://${this.endpoint}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { connection: 'close' },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`etcd refuses ${path}: ${text}`);
    return JSON.parse(text) as unknown;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
