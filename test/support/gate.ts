import type pg from 'pg';
import { closeShards, openShards } from './footprint.js';
import { until } from './until.js';

const FIRST_LOCK = 4711;
/** Whoever waits longer for a table holds up who comes behind, and they may hold what those before need: deadlock. */
const TABLE_LIMIT_MS = 100;
const LOCK_NOT_AVAILABLE = '55P03';
let gates = 0;

/**
 * Holds transactions up in the middle: whoever changes a row for which a condition holds waits until the gate is
 * opened. So two that would only meet by chance are made to meet. An open gate stands in nobody's way, and is left standing:
 * to take it away is to wait for the whole table.
 */
export class Gate {
  private opened = false;

  private constructor(
    private readonly clients: readonly pg.Client[],
    private readonly lock: number,
  ) {}

  /** @param place `INSERT ON table` or `DELETE ON table` @param condition in SQL, of the row `NEW`, or `OLD` */
  static async at(shardUrls: readonly string[], place: string, condition: string): Promise<Gate> {
    gates += 1;
    const lock = FIRST_LOCK + gates;
    const name = `test_gate_${gates}`;
    const clients = await openShards(shardUrls);
    for (const client of clients) {
      await client.query(`SELECT pg_advisory_lock(${lock})`);
      await client.query(
        `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF ${condition} THEN PERFORM pg_advisory_xact_lock_shared(${lock}); END IF; RETURN coalesce(NEW, OLD); END $$`,
      );
      await client.query(`SET lock_timeout = ${TABLE_LIMIT_MS}`);
      const trigger = `CREATE TRIGGER ${name} BEFORE ${place} FOR EACH ROW EXECUTE FUNCTION ${name}()`;
      await until('the table to be free for a moment', () => isDone(client, trigger));
    }
    return new Gate(clients, lock);
  }

  /** Resolves once somebody waits here. */
  untilReached(): Promise<void> {
    return until('somebody waits at the gate', async () => {
      const waiting = await Promise.all(
        this.clients.map((client) =>
          client.query(
            `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${this.lock} AND NOT granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          ),
        ),
      );
      return waiting.some(({ rowCount }) => rowCount! > 0);
    });
  }

  /** Lets everybody through. Safe to call twice. */
  async open(): Promise<void> {
    if (this.opened) return;
    this.opened = true;
    for (const client of this.clients) await client.query(`SELECT pg_advisory_unlock(${this.lock})`);
    await closeShards(this.clients);
  }
}

/** Not where the table could not be had in time. */
async function isDone(client: pg.Client, statement: string): Promise<boolean> {
  try {
    await client.query(statement);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE) return false;
    throw error;
  }
}
