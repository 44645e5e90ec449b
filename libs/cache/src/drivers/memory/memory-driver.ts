import { LRUCache } from 'lru-cache';
import type { InvalidationMode } from '../../tag-table.js';
import {
  EVERYTHING,
  type Acknowledgement,
  type CacheDriver,
  type DriverEntry,
  type DriverListener,
  type DriverRead,
  type DriverState,
  type LeaseWish,
  type StoredRecord,
  type Versions,
} from '../driver.js';
import { sizeOf, TextRecord } from '../../text-record.js';

interface Kept {
  readonly record: StoredRecord;
  readonly hard: string;
  readonly soft: string;
  readonly writtenAt: number;
}

interface Version {
  readonly hard: number;
  soft: number;
}

interface Lease {
  readonly id: string;
  readonly versions: Versions;
  readonly until: number;
}

const LEASE_MS = 10_000;
const MOST_VERSIONS = 100_000;

/**
 * What several caches of one process share. Keeps records only when it is given bytes for them: one cache alone has them
 * in its own memory already.
 */
export class MemoryHub {
  private readonly listeners = new Set<DriverListener>();
  private readonly records: LRUCache<string, Kept> | undefined;
  private readonly leases = new Map<string, Lease>();
  /** One that is not known, or not any more, is a new one: no old record has it. */
  private readonly versions = new LRUCache<string, Version>({ max: MOST_VERSIONS });
  private count = 0;

  constructor({ maxBytes = 0 }: { readonly maxBytes?: number } = {}) {
    if (maxBytes > 0) {
      const sizeCalculation = ({ record }: Kept, key: string) => sizeOf(record) + 2 * key.length + 500;
      this.records = new LRUCache({ maxSize: maxBytes, sizeCalculation });
    }
  }

  join(listener: DriverListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  read(key: string, tags: readonly string[], wants: LeaseWish): DriverRead {
    if (!this.records) return { versions: '', lease: 'own' };
    const [hard, soft] = this.versionsOf(tags);
    const versions = `${hard}\n${soft}`;
    const now = performance.now();
    const kept = this.records.get(key);
    const ageMs = kept ? now - kept.writtenAt : 0;
    const given =
      kept && kept.hard === hard && ageMs < kept.record.meta.keptMs
        ? givenOf(kept.record, ageMs, kept.soft === soft ? 'no' : 'soft')
        : undefined;
    const fresh = given !== undefined && given.invalidated === 'no' && ageMs < given.meta.freshMs;
    const lease = !fresh || wants === 'always' ? this.takeLease(key, versions, now) : undefined;
    return { versions, ...(given && { record: given }), ...(lease !== undefined && { lease }) };
  }

  write(
    key: string,
    tags: readonly string[],
    record: StoredRecord,
    versions: Versions,
    lease?: string,
  ): void {
    if (lease !== undefined) this.release(key, lease);
    const [hard, soft] = this.versionsOf(tags);
    if (!this.records || `${hard}\n${soft}` !== versions) return;
    this.records.set(key, { record, hard, soft, writtenAt: performance.now() });
  }

  release(key: string, lease: string, afterMs = 0): void {
    const held = this.leases.get(key);
    if (held?.id !== lease) return;
    if (afterMs === 0) this.leases.delete(key);
    else this.leases.set(key, { ...held, until: performance.now() + afterMs });
  }

  invalidate(tags: readonly string[], mode: InvalidationMode): void {
    for (const tag of tags) {
      const version = this.versions.get(tag);
      if (mode === 'hard') this.versions.delete(tag);
      else if (version) version.soft = this.count += 1;
    }
    for (const listener of this.listeners) {
      if (tags.includes(EVERYTHING)) listener.invalidatedAll();
      else listener.invalidated(tags, mode);
    }
  }

  explain(key: string): DriverEntry | undefined {
    const kept = this.records?.peek(key);
    if (!kept) return undefined;
    const { meta } = kept.record;
    const [hard, soft] = this.versionsOf(meta.tags);
    const state = kept.hard !== hard ? 'invalidated' : kept.soft === soft ? 'valid' : 'soft';
    const ageMs = Math.round(performance.now() - kept.writtenAt);
    return { state, tags: meta.tags, etag: meta.etag, bytes: sizeOf(kept.record), ageMs };
  }

  private versionsOf(tags: readonly string[]): [hard: string, soft: string] {
    const versions = [EVERYTHING, ...tags].map((tag) => this.versionOf(tag));
    return [versions.map(({ hard }) => hard).join(), versions.map(({ soft }) => soft).join()];
  }

  private versionOf(tag: string): Version {
    let version = this.versions.get(tag);
    if (!version) this.versions.set(tag, (version = { hard: (this.count += 1), soft: 0 }));
    return version;
  }

  /** A lease for a load that began before an invalidation holds back nobody who comes after it. */
  private takeLease(key: string, versions: Versions, now: number): string | undefined {
    const held = this.leases.get(key);
    if (held && held.until > now && held.versions === versions) return undefined;
    const id = String((this.count += 1));
    this.leases.set(key, { id, versions, until: now + LEASE_MS });
    return id;
  }
}

function givenOf(record: StoredRecord, ageMs: number, invalidated: 'no' | 'soft'): DriverRead['record'] {
  const { meta, text } = record;
  if (text !== undefined) return new TextRecord(meta, text, ageMs, invalidated);
  return { meta, body: record.body, ageMs, invalidated };
}

/** For one process: its invalidations reach every cache of it before they return. */
export class MemoryDriver implements CacheDriver {
  readonly name = 'memory';
  private leave: (() => void) | undefined;

  constructor(private readonly hub: MemoryHub = new MemoryHub()) {}

  start(listener: DriverListener): Promise<void> {
    this.leave ??= this.hub.join(listener);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.leave?.();
    this.leave = undefined;
    return Promise.resolve();
  }

  inStep(): boolean {
    return this.leave !== undefined;
  }

  comeIntoStep(): Promise<boolean> {
    return Promise.resolve(this.inStep());
  }

  read(key: string, tags: readonly string[], lease: LeaseWish): Promise<DriverRead> {
    return Promise.resolve(this.hub.read(key, tags, lease));
  }

  write(
    key: string,
    tags: readonly string[],
    record: StoredRecord,
    versions: Versions,
    lease?: string,
  ): Promise<void> {
    this.hub.write(key, tags, record, versions, lease);
    return Promise.resolve();
  }

  release(key: string, lease: string, afterMs?: number): Promise<void> {
    this.hub.release(key, lease, afterMs);
    return Promise.resolve();
  }

  invalidate(tags: readonly string[], mode: InvalidationMode): Promise<Acknowledgement> {
    this.hub.invalidate(tags, mode);
    return Promise.resolve({ acknowledged: true });
  }

  explain(key: string): Promise<DriverEntry | undefined> {
    return Promise.resolve(this.hub.explain(key));
  }

  state(): DriverState {
    return { status: 'up', details: {} };
  }
}
