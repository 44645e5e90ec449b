import type pg from 'pg';
import { closeShards, openShards } from './footprint.js';
import { until } from './until.js';

const LOCK = 4711;

/**
 * Holds transactions up in the middle: whoever changes a row for which a condition holds waits until the gate is
 * opened. So two that would only meet by chance are made to meet.
 */
export class Gate {
  private opened = false;

  private constructor(
    private readonly clients: readonly pg.Client[],
    private readonly place: string,
  ) {}

  /** @param place `INSERT ON table` or `DELETE ON table` @param condition in SQL, of the row `NEW`, or `OLD` */
  static async at(shardUrls: readonly string[], place: string, condition: string): Promise<Gate> {
    const clients = await openShards(shardUrls);
    for (const client of clients) {
      await client.query(`SELECT pg_advisory_lock(${LOCK})`);
      await client.query(
        `CREATE OR REPLACE FUNCTION test_gate() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF ${condition} THEN PERFORM pg_advisory_xact_lock_shared(${LOCK}); END IF; RETURN coalesce(NEW, OLD); END $$`,
      );
      await client.query(
        `CREATE TRIGGER test_gate BEFORE ${place} FOR EACH ROW EXECUTE FUNCTION test_gate()`,
      );
    }
    return new Gate(clients, place);
  }

  /** Resolves once somebody waits here. */
  untilReached(): Promise<void> {
    return until('somebody waits at the gate', async () => {
      const waiting = await Promise.all(
        this.clients.map((client) =>
          client.query(
            `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${LOCK} AND NOT granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          ),
        ),
      );
      return waiting.some(({ rowCount }) => rowCount! > 0);
    });
  }

  /** Lets everybody through, and takes the gate away. Safe to call twice. */
  async open(): Promise<void> {
    if (this.opened) return;
    this.opened = true;
    for (const client of this.clients) {
      await client.query(`SELECT pg_advisory_unlock(${LOCK})`);
      await client.query(`DROP TRIGGER test_gate ON ${this.place.split(' ').at(-1)}`);
    }
    await closeShards(this.clients);
  }
}
