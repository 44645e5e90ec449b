import { setTimeout as delay } from 'node:timers/promises';
import type { InvalidationMode } from '../../tag-table.js';
import { EVERYTHING, type Acknowledgement } from '../driver.js';
import { Acknowledgements } from './acknowledgements.js';
import type { RedisConnection } from './connection.js';
import type { Keys } from './keys.js';
import { PendingInvalidations } from './pending.js';
import { ANNOUNCE, INVALIDATE, STRIKE } from './scripts.js';

export interface InvalidationsSetup {
  readonly id: string;
  readonly keys: Keys;
  readonly connection: RedisConnection;
  readonly draw: () => string;
  readonly boundMs: number;
  readonly trustMs: number;
  /** An invalidation could not be recorded; it is pending. */
  readonly failed: () => void;
}

interface Replica {
  readonly id: string;
  /** When its last beat runs out, by Redis. */
  readonly until: number;
}

/** What replicas tell each other. */
export interface Announcement {
  readonly from: string;
  readonly number: number;
  readonly tags: readonly string[];
  readonly mode: InvalidationMode;
}

/** More than what timers of two processes may differ in such a time. */
const MARGIN_MS = 25;
const SILENT_BOUNDS = 1.5;

/** Invalidates in Redis, tells the others, and waits until none of them serves what is stale. */
export class RedisInvalidations {
  private readonly acknowledgements = new Acknowledgements();
  private readonly unrecorded = new PendingInvalidations();

  constructor(private readonly setup: InvalidationsSetup) {}

  get pending(): number {
    return this.unrecorded.size;
  }

  acknowledged(announcement: number, replica: string): void {
    this.acknowledgements.give(announcement, replica);
  }

  async invalidate(tags: readonly string[], mode: InvalidationMode): Promise<Acknowledgement> {
    const { boundMs, trustMs, connection, failed } = this.setup;
    const silentMs = connection.away ? performance.now() - connection.heardAt : 0;
    // Nothing has come for longer than any replica trusts what it has: to wait would make nobody's reads right.
    const isOver = silentMs > SILENT_BOUNDS * boundMs;
    if (!isOver) {
      try {
        await this.announce(tags, mode);
        return { acknowledged: true };
      } catch {
        // It is pending from here on: recorded before this replica uses anything again.
      }
    }
    this.unrecorded.add(tags, mode);
    failed();
    // Those who cannot hear Redis either trust nothing after that.
    if (!isOver) await delay(trustMs + MARGIN_MS);
    return { acknowledged: false };
  }

  /** Records what could not be; as far as Redis answers. */
  async replay(): Promise<void> {
    while (this.unrecorded.size > 0) {
      const some = this.unrecorded.next();
      try {
        await this.announce(
          some.map(({ tag }) => tag),
          some[0]!.mode,
          false,
        );
      } catch {
        return;
      }
      this.unrecorded.recorded(some);
    }
  }

  /** @throws RK_CACHE_REDIS_AWAY when it may not have been recorded */
  private async announce(tags: readonly string[], mode: InvalidationMode, waits = true): Promise<void> {
    const { id, connection, boundMs, trustMs } = this.setup;
    const number = this.acknowledgements.begin();
    const message: Announcement = { from: id, number, tags, mode };
    let answer: (string | number)[];
    try {
      answer = await connection.try(() => this.send(message), boundMs);
    } catch (error) {
      this.acknowledgements.forget(number);
      throw error;
    }
    const [unsure, ...list] = answer;
    const others = replicasIn(list).filter((replica) => replica.id !== id);
    if (!waits) return this.acknowledgements.forget(number);
    // Where the registry may be incomplete, somebody may trust what he has without being in it.
    const awaited = others.map((replica) => replica.id);
    const limitMs = trustMs + MARGIN_MS;
    const silent = await this.acknowledgements.whenGiven(
      number,
      unsure === 1 ? [...awaited, 'whoever else is there'] : awaited,
      limitMs,
    );
    const gone = others.filter((replica) => silent.includes(replica.id));
    if (gone.length > 0) await this.strike(gone);
  }

  private async send(message: Announcement): Promise<(string | number)[]> {
    const { keys, connection, draw, boundMs } = this.setup;
    const { tags, mode } = message;
    const names = tags.map((tag) => (tag === EVERYTHING ? keys.everything : keys.version(tag)));
    const soft = draw();
    if (connection.isCluster) {
      connection.mustHear(names);
      await Promise.all(names.map((name) => connection.eval(INVALIDATE, [name], [mode, soft])));
    }
    return connection.eval<(string | number)[]>(
      ANNOUNCE,
      [keys.registry, keys.alive, keys.history, ...(connection.isCluster ? [] : names)],
      [mode, soft, keys.channel, JSON.stringify(message), keys.beat(''), String(boundMs)],
    );
  }

  /** They are out of step by now, and the next invalidation need not wait for them. If that fails, it does. */
  private async strike(replicas: readonly Replica[]): Promise<void> {
    const { keys, connection } = this.setup;
    const args = replicas.flatMap(({ id, until }) => [id, String(until)]);
    await connection
      .call(() => connection.eval(STRIKE, [keys.registry], [keys.beat(''), ...args]))
      .catch(() => undefined);
  }
}

function replicasIn(list: readonly (string | number)[]): Replica[] {
  const replicas: Replica[] = [];
  for (let i = 0; i < list.length; i += 2) replicas.push({ id: String(list[i]), until: Number(list[i + 1]) });
  return replicas;
}
