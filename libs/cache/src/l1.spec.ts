import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { entryOf } from './entry.js';
import { L1 } from './l1.js';
import { TagTable } from './tag-table.js';

/** `CHURN=10000000` for a long run: `CHURN=10000000 npm run test:jest -- libs/cache/src/l1.spec.ts`. */
const CHURN = Number(process.env['CHURN'] ?? 20_000);
const MIB = 1024 * 1024;

function put(l1: L1, table: TagTable, key: string, bytes: number, tag = key): void {
  const meta = { etag: '"e"', freshMs: 60_000, keptMs: 60_000, loadMs: 1, tags: [tag] };
  const snapshot = table.snapshot([tag]);
  const age = { ageMs: 0, isStale: false };
  l1.put(key, entryOf({ meta, body: Buffer.alloc(bytes, 'x') }, age, snapshot, performance.now()));
  snapshot.release();
}

describe('the entries in memory', () => {
  it('stay within their bytes, and their tags with them, however many come and go', () => {
    const [l1, table] = [new L1(4 * MIB), new TagTable()];
    for (let i = 0; i < CHURN; i += 1) {
      put(l1, table, `key ${i}`, 50 + ((i * 7919) % 4_000));
      if (i % 3 === 0) l1.get(`key ${i - 10}`);
      if (i % 5_000 === 0) expect(l1.bytes).toBeLessThanOrEqual(4 * MIB);
    }
    expect(l1.bytes).toBeLessThanOrEqual(4 * MIB);
    expect(l1.size).toBeGreaterThan(400);
    expect(table.size).toBe(l1.size);
    l1.clear();
    expect(table.size).toBe(0);
  }, 3_600_000);

  it('take no more memory than they say', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const [l1, table] = [new L1(16 * MIB), new TagTable()];
    // Buffers that the first collection found are given back beside the program, and by the second one at the latest.
    const used = () => {
      collect();
      collect();
      return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    };
    const before = used();
    for (let i = 0; i < 30_000; i += 1) put(l1, table, `key ${i}`, 200);
    const taken = used() - before;
    expect(l1.bytes).toBeGreaterThan(15 * MIB);
    expect(taken).toBeLessThan(1.2 * l1.bytes);
  });

  it('are not what is too large for them', () => {
    const [l1, table] = [new L1(MIB), new TagTable()];
    put(l1, table, 'large', MIB / 2);
    expect([l1.size, table.size]).toEqual([0, 0]);
  });

  it('end with their own tags, and with no others', () => {
    const [l1, table] = [new L1(MIB), new TagTable()];
    put(l1, table, 'a', 10, 'tag a');
    put(l1, table, 'b', 10, 'tag b');
    table.invalidate(['tag a'], 'hard');
    const now = performance.now();
    expect([l1.get('a')!.isFresh(now), l1.get('b')!.isFresh(now)]).toEqual([false, true]);
    table.invalidateAll();
    expect(l1.get('b')!.isFresh(now)).toBe(false);
  });
});
