import { randomBytes } from 'node:crypto';
import { sizeOf } from '../../text-record.js';
import type { DriverEntry, DriverRead, LeaseWish, StoredRecord, Versions } from '../driver.js';
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import { Looks, type Look, type Seen } from './looks.js';
import {
  numbersAfter,
  partsIn,
  partsOf,
  partsOfRecord,
  versionsIn,
  versionsOf,
  written,
  type Parts,
  type WrittenRecord,
} from './record-text.js';
import type { RedisClock } from './redis-clock.js';
import { HARD_LENGTH, LEASE_MS, MINT, MINT_APART, READ, RELEASE, TAKE_LEASE, VERSION_MS } from './scripts.js';

const PREFIX_LENGTH = 10;

type Answer = [text: string | null, state: number, left: number, hard: string, soft: string, lease: number];

/** Where each is read by its own command. */
interface LookApart {
  readonly read: DriverRead & { readonly versions: Versions };
  readonly isFresh: boolean;
}

/**
 * Entries, the versions of their tags, and leases. In one Redis a fresh entry and its versions are read together, by one
 * command, and what is not fresh by a script, which gives the lease. In a cluster, where they lie on different nodes, each
 * is read by its own command. That is as right: a version that is gone never comes back, so an entry that has the versions of
 * a moment during the reading was valid then.
 */
export class RedisEntries {
  private readonly prefix = randomBytes(9).toString('base64url').slice(0, PREFIX_LENGTH);
  private readonly looks: Looks<DriverRead>;
  private count = 0;

  constructor(
    private readonly connection: RedisConnection,
    private readonly keys: Keys,
    private readonly clock: RedisClock,
  ) {
    this.looks = new Looks(connection, keys, (look, seen) => this.freshOf(look, seen));
  }

  /** Of `HARD_LENGTH` characters, and nobody ever draws it again. */
  draw(): string {
    this.count += 1;
    return this.prefix + this.count.toString(36).padStart(HARD_LENGTH - PREFIX_LENGTH, '0');
  }

  read(key: string, tags: readonly string[], wish: LeaseWish): Promise<DriverRead> {
    const { connection } = this;
    if (connection.isCluster) {
      const names = [this.keys.entry(key), this.keys.lease(key), ...this.namesOf(tags)];
      return connection.call(() => this.readApart(key, tags, wish), connection.deadlineMs, names);
    }
    if (wish === 'always') return connection.call(() => this.readByScript(key, tags, wish));
    if (connection.away) return connection.call(() => Promise.reject(new Error('unreachable')));
    return new Promise((resolve, reject) => this.looks.look({ key, tags, resolve, reject }));
  }

  async write(
    key: string,
    record: StoredRecord,
    versions: Versions,
    lease: string | undefined,
  ): Promise<void> {
    const [hard, soft] = partsOf(versions);
    const keptMs = Math.max(1, Math.round(record.meta.keptMs));
    const { connection, keys } = this;
    const write = async ({ store, isCluster }: RedisConnection) => {
      const at = this.clock.atLeast(performance.now());
      const writing = store.set(keys.entry(key), written(record, hard, soft, at), keptMs);
      // Whoever waits for the lease finds the entry first: in the same packet, where there is one Redis.
      if (isCluster) await writing.catch(() => undefined);
      const releasing = lease === undefined ? undefined : this.letGo(key, lease, 0);
      await Promise.all([writing, releasing]);
    };
    await connection.call(write, connection.deadlineMs, [keys.entry(key), keys.lease(key)]);
  }

  async release(key: string, lease: string, afterMs: number): Promise<void> {
    const { connection, keys } = this;
    await connection.call(() => this.letGo(key, lease, afterMs), connection.deadlineMs, [keys.lease(key)]);
  }

  async explain(key: string): Promise<DriverEntry | undefined> {
    const { keys, connection } = this;
    const record = await connection.call(({ store }) => store.get<WrittenRecord>(keys.entry(key)));
    if (!record) return undefined;
    const left = await connection.call(({ store }) => store.ttl(keys.entry(key)));
    const [hard, soft] = await connection.call(() => this.versionsOf(record.meta.tags));
    const state = record.hard !== hard ? 'invalidated' : record.soft === soft ? 'valid' : 'soft';
    const parts = partsOfRecord(record);
    const { tags, etag, keptMs } = parts.meta;
    const bytes = sizeOf(parts.given(0, 'no'));
    return { state, tags, etag, bytes, ageMs: Math.round(keptMs - left) };
  }

  /**
   * What most reads find: fresh by its own text and by the clock of Redis. Anything else is for the script, which asks for
   * the time left and gives the lease.
   */
  private freshOf({ key, tags }: Look<DriverRead>, seen: Seen): DriverRead | Promise<DriverRead> {
    return (
      this.freshIn(seen) ??
      this.connection.call(() => this.readByScript(key, tags, 'unless-fresh'), Math.max(1, seen.leftMs))
    );
  }

  private freshIn({ text, versions }: Seen): DriverRead | undefined {
    if (text === null || !areKnown(versions)) return undefined;
    const numbersAt = numbersAfter(text, versions);
    if (numbersAt === undefined) return undefined;
    const parts = partsIn(text, numbersAt);
    const now = this.clock.atMost(performance.now());
    if (!parts || now === undefined) return undefined;
    const { meta, staleMs, at } = parts;
    const ageMs = Math.max(0, now - at);
    if (meta.keptMs - ageMs <= staleMs) return undefined;
    return new FreshRead(parts.given(ageMs, 'no'), text, versions.length, numbersAt);
  }

  private async readByScript(key: string, tags: readonly string[], wish: LeaseWish): Promise<DriverRead> {
    const { keys } = this;
    const id = this.draw();
    const wants = wish === 'always' ? '1' : '0';
    const asked = [wants, id, keys.data, keys.everything, key, ...tags].join('\n');
    const [text, state, left, hard, soft, lease] = await this.connection.eval<Answer>(READ, [], [asked]);
    const parts = text === null ? undefined : partsIn(text);
    return {
      ...(parts && given(parts, left, state === 2)),
      // Without memory for versions there are none.
      ...(hard !== null && { versions: versionsOf(hard, soft) }),
      ...(lease === 1 && { lease: id }),
    };
  }

  private async readApart(key: string, tags: readonly string[], wish: LeaseWish): Promise<DriverRead> {
    const id = this.draw();
    const seen = await this.look(key, tags);
    if (!seen) return { lease: id };
    const { isFresh, read } = seen;
    if (isFresh && wish !== 'always') return read;
    const lease = await this.takeLease(key, id, read.versions);
    if (lease && wish !== 'always') {
      // Whoever held it before may have stored the entry, and let go of it, since the look.
      const again = await this.look(key, tags);
      if (again?.isFresh) {
        await this.letGo(key, id, 0);
        return again.read;
      }
    }
    return { ...read, ...(lease && { lease: id }) };
  }

  /** Nothing where there is no memory for versions. */
  private async look(key: string, tags: readonly string[]): Promise<LookApart | undefined> {
    const { store } = this.connection;
    const [record, left, versions] = await Promise.all([
      store.get<WrittenRecord>(this.keys.entry(key)),
      store.ttl(this.keys.entry(key)),
      this.versionsOf(tags).catch(() => undefined),
    ]);
    if (!versions) return undefined;
    const [hard, soft] = versions;
    const valid = record?.hard === hard && left > 0 ? partsOfRecord(record) : undefined;
    const isSoft = record?.soft !== soft;
    return {
      read: { ...(valid && given(valid, left, !isSoft)), versions: versionsOf(hard, soft) },
      isFresh: valid !== undefined && !isSoft && left > valid.staleMs,
    };
  }

  private async versionsOf(tags: readonly string[]): Promise<[hard: string, soft: string]> {
    const { connection } = this;
    const args = [this.draw(), String(VERSION_MS)];
    const mint = connection.isCluster ? MINT_APART : MINT;
    const minting = this.namesOf(tags).map((name) => connection.eval<string>(mint, [name], args));
    const versions = await Promise.all(minting);
    const hards = versions.map((version) => version.slice(0, HARD_LENGTH));
    return [hards.join(), versions.map((version) => version.slice(HARD_LENGTH)).join()];
  }

  /** Of the versions of everything, and of each tag. */
  private namesOf(tags: readonly string[]): readonly string[] {
    return [this.keys.everything, ...tags.map((tag) => this.keys.version(tag))];
  }

  private async takeLease(key: string, id: string, versions: string): Promise<boolean> {
    const args = [id, String(LEASE_MS), versions];
    return (await this.connection.eval<number>(TAKE_LEASE, [this.keys.lease(key)], args)) === 1;
  }

  private letGo(key: string, lease: string, afterMs: number): Promise<number> {
    return this.connection.eval<number>(RELEASE, [this.keys.lease(key)], [lease, String(afterMs)]);
  }
}

function given(parts: Parts, left: number, isValid: boolean): Pick<DriverRead, 'record'> {
  return { record: parts.given(Math.max(0, parts.meta.keptMs - left), isValid ? 'no' : 'soft') };
}

function areKnown(versions: readonly (string | null)[]): versions is readonly string[] {
  return !versions.includes(null);
}

/** Its versions are for who would write, and it is fresh: few ask. */
class FreshRead implements DriverRead {
  constructor(
    readonly record: NonNullable<DriverRead['record']>,
    private readonly text: string,
    private readonly versionCount: number,
    private readonly numbersAt: number,
  ) {}

  get versions(): Versions {
    return versionsIn(this.text, this.versionCount, this.numbersAt);
  }
}
