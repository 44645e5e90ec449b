import type { Kafka } from 'kafkajs';

export interface CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** What was written with it; null where the group has committed nothing there yet. */
  readonly metadata: string | null;
}

/** Where a group goes on in the partitions of some topics: at the first message there is, where it has not begun. */
export async function committedOffsets(
  kafka: Kafka,
  groupId: string,
  topics: readonly string[],
): Promise<CommittedOffset[]> {
  if (topics.length === 0) return [];
  const admin = kafka.admin();
  await admin.connect();
  try {
    const found: CommittedOffset[] = [];
    for (const { topic, partitions } of await admin.fetchOffsets({ groupId, topics: [...topics] })) {
      const isNew = partitions.some(({ offset }) => BigInt(offset) < 0n);
      const firsts = new Map(
        isNew
          ? (await admin.fetchTopicOffsets(topic)).map(({ partition, low }) => [partition, BigInt(low)])
          : [],
      );
      for (const { partition, offset, metadata } of partitions) {
        const at = BigInt(offset);
        if (at >= 0n) found.push({ topic, partition, offset: at, metadata });
        else found.push({ topic, partition, offset: firsts.get(partition) ?? 0n, metadata: null });
      }
    }
    return found;
  } finally {
    await admin.disconnect();
  }
}
