// needs: nginx, etcd, redis, kafka
import { faults } from '../invariants/through-nginx/every-fault.js';
import { headerOfTable, rowOfTable, wrongIn } from '../invariants/through-nginx/report.js';
import { EdgeStand } from '../invariants/through-nginx/stand.js';

/** Long enough for leases to end and for connections to be given up; `node test/invariants/through-nginx.mjs` takes longer. */
const WINDOWS = { awayMs: 2_000, frozenMs: 5_000 };
/** Two cores that do other things as well bear this beside the servers, so that what fails fails by the fault. */
const RATE = 0.5;
const START_LIMIT_MS = 240_000;
const LIMIT_MS = 300_000;

/** Three replicas on four shards, with Kafka, Redis and etcd, behind Nginx, used all the time. */
describe('through Nginx, nothing acknowledged and no event is lost, and the site comes back by itself', () => {
  let stand: EdgeStand;
  const rows: string[] = [];

  beforeAll(async () => {
    stand = await EdgeStand.start({ ...WINDOWS, rate: RATE });
  }, START_LIMIT_MS);
  afterAll(async () => {
    await stand?.stop();
    process.stdout.write(`${[headerOfTable(), ...rows].join('\n')}\n`);
  }, START_LIMIT_MS);

  it.each(faults.map((fault) => [fault.about, fault] as const))(
    'when %s',
    async (_, fault) => {
      const report = await stand.run(fault);
      rows.push(rowOfTable(report));
      expect(wrongIn(report)).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'and at the end, what was acknowledged before all of that is there',
    async () => {
      expect(await stand.lost()).toEqual([]);
    },
    LIMIT_MS,
  );
});
