import { Partitioners, type ICustomPartitioner, type Message, type PartitionMetadata } from 'kafkajs';

/** murmur2 of the key, as Java's clients do it: any producer of the site's topics puts a key where this one does. */
const partitioner = Partitioners.DefaultPartitioner();

/** Partition of a key in a topic of so many. */
export function partitionOf(key: string, partitions: number): number {
  const partitionMetadata = new Array<PartitionMetadata>(partitions);
  return partitioner({ topic: '', partitionMetadata, message: { key, value: null } });
}

/**
 * Decides once for each message. kafkajs asks again when it sends again; were the topic to have got more partitions
 * meanwhile, the messages of a partition would be others under the sequence numbers that the broker knows already, and it
 * would take them for repeats and drop them.
 */
export class SteadyPartitioner {
  private readonly decided = new WeakMap<Message, number>();

  readonly create: ICustomPartitioner = () => (args) => {
    const partition = this.decided.get(args.message) ?? partitioner(args);
    this.decided.set(args.message, partition);
    return partition;
  };

  /** Undefined for a message that was not sent yet. */
  of(message: Message): number | undefined {
    return this.decided.get(message);
  }
}
