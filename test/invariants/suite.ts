import { wrongIn, type FaultReport } from '@rookery/events/testing';
import type { Fault, Transport } from './fault.js';
import { CALM, faultsOver } from './every-fault.js';
import { Stand } from './stand.js';
import { headerOfTable, rowOfTable } from './table.js';

const TRIES = 3;
const LIMIT_MS = 240_000;

/** The promise, whatever carries the events: one suite, with a stand of its own for each transport. */
export function describeFaults(transport: Transport, more: (stand: () => Stand) => void = () => undefined) {
  describe(`over ${transport}, no event is lost, applied twice or applied out of order`, () => {
    let stand: Stand;
    const rows: string[] = [];

    const run = async (fault: Fault): Promise<FaultReport> => {
      const report = await stand.run(fault);
      rows.push(rowOfTable(transport, report));
      return report;
    };
    /** A machine that does other things as well delays everything now and then, but not again and again. */
    const notFelt = async (fault: Fault, p99Ms: number): Promise<void> => {
      const tries: { with: number; without: number }[] = [];
      while (tries.length < TRIES) {
        const calm = await run(CALM);
        const report = await run(fault);
        expect(wrongIn(report)).toBe('');
        if (report.p99Ms < Math.max(p99Ms, 2 * calm.p99Ms)) return;
        tries.push({ with: report.p99Ms, without: calm.p99Ms });
      }
      throw new Error(`99 of 100 events should take less than ${p99Ms} ms: ${JSON.stringify(tries)}`);
    };

    beforeAll(async () => {
      stand = await Stand.start({ transport });
    });
    afterAll(async () => {
      await stand.stop();
      process.stdout.write(`${[headerOfTable(), ...rows].join('\n')}\n`);
    });

    it.each(faultsOver(transport).map((fault) => [fault.about, fault] as const))(
      'when %s',
      async (_, fault) => {
        const { p99Ms } = fault;
        if (p99Ms === undefined) expect(wrongIn(await run(fault))).toBe('');
        else await notFelt(fault, p99Ms);
      },
      LIMIT_MS,
    );

    more(() => stand);
  });
}
