import type { Message, PartitionMetadata } from 'kafkajs';
import { partitionOf, SteadyPartitioner } from './partition-of.js';

/** Of `UtilsTest.testMurmur2` in Apache Kafka: what `Utils.murmur2` gives for the bytes of a text. */
const JAVA: readonly (readonly [string, number])[] = [
  ['21', -973_932_308],
  ['foobar', -790_332_482],
  ['a-little-bit-long-string', -985_981_536],
  ['a-little-bit-longer-string', -1_486_304_829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
  ['abc', 479_470_107],
];

describe('the partition of a key', () => {
  it.each(JAVA)("is the one that Java's clients choose for %s", (key, murmur2) => {
    for (const partitions of [1, 3, 16, 50, 1_000_003]) {
      expect(partitionOf(key, partitions)).toBe((murmur2 & 0x7fffffff) % partitions);
    }
  });

  it('stays the same when a message is sent again and the topic has got more partitions', () => {
    const partitioner = new SteadyPartitioner();
    const choose = partitioner.create();
    const message: Message = { key: 'foobar', value: null };
    const of = (partitions: number): number =>
      choose({ topic: 't', partitionMetadata: new Array<PartitionMetadata>(partitions), message });
    expect(partitionOf('foobar', 16)).not.toBe(partitionOf('foobar', 7));
    expect([of(16), of(7), partitioner.of(message)]).toEqual(Array(3).fill(partitionOf('foobar', 16)));
  });
});
