import { AssignerProtocol, type Assigner, type Cluster, type GroupMember } from 'kafkajs';

/** What a member of a group says of itself when it joins. */
export interface MemberTypes {
  /** When it began to handle, in milliseconds since 1970. */
  readonly since: number;
  /** Types it handles, by topic. */
  readonly types: Readonly<Record<string, readonly string[]>>;
}

interface Member extends MemberTypes {
  readonly id: string;
}

const NAME = 'rookery';
const VERSION = 1;

/**
 * Shares the partitions of a topic among the members that handle every type of it which any member handles: a version of
 * the site that handles more takes over at once, and what a consumer passes over is handled by nobody who is there. Where
 * no member handles all, those count that came after everybody who handles something else.
 */
export function typesAssigner(cluster: Cluster, own: MemberTypes): Assigner {
  return {
    name: NAME,
    version: VERSION,
    protocol: ({ topics }) => ({
      name: NAME,
      metadata: AssignerProtocol.MemberMetadata.encode({
        version: VERSION,
        topics,
        userData: Buffer.from(JSON.stringify(own)),
      }),
    }),
    assign: async ({ members }) => {
      const known = members.map(memberOf);
      const topics = [...new Set(known.flatMap(({ types }) => Object.keys(types)))].sort();
      // Of other versions of the site; this one may never have asked for them.
      await cluster.addMultipleTargetTopics(topics);
      const counts = new Map(
        topics.map((topic) => [
          topic,
          cluster.findTopicPartitionMetadata(topic).map((one) => one.partitionId),
        ]),
      );
      return [...share(known, counts)].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment,
          userData: Buffer.alloc(0),
        }),
      }));
    },
  };
}

/** Who gets which partitions. For tests by themselves, too. */
export function share(
  members: readonly Member[],
  partitions: ReadonlyMap<string, readonly number[]>,
): Map<string, Record<string, number[]>> {
  const shares = new Map<string, Record<string, number[]>>(members.map(({ id }) => [id, {}]));
  let turn = 0;
  for (const [topic, numbers] of partitions) {
    const eligible = eligibleFor(topic, members);
    for (const partition of [...numbers].sort((a, b) => a - b)) {
      const { id } = eligible[turn % eligible.length]!;
      turn += 1;
      (shares.get(id)![topic] ??= []).push(partition);
    }
  }
  return shares;
}

function eligibleFor(topic: string, members: readonly Member[]): readonly Member[] {
  const handling = members.filter(({ types }) => types[topic]);
  const lacks = (one: Member, other: Member): boolean =>
    other.types[topic]!.some((type) => !one.types[topic]!.includes(type));
  const complete = handling.filter((one) => !handling.some((other) => lacks(one, other)));
  const eligible =
    complete.length > 0
      ? complete
      : handling.filter((one) => !handling.some((other) => other.since > one.since && lacks(one, other)));
  return [...eligible].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function memberOf({ memberId, memberMetadata }: GroupMember): Member {
  const metadata = AssignerProtocol.MemberMetadata.decode(memberMetadata);
  const told = JSON.parse(metadata?.userData.toString('utf8') || '{}') as Partial<MemberTypes>;
  return { id: memberId, since: told.since ?? 0, types: told.types ?? {} };
}
