import type { AnyEventDefinition } from '../definition/define-event.js';
import type { KafkaOptions } from './kafka.options.js';

/** A topic as the site's definitions want it, and as the cluster has it. */
export interface TopicStatus {
  /** With the prefix. */
  readonly topic: string;
  /** `there` is undefined where the topic is missing. */
  readonly partitions: { readonly wanted: number; readonly there: number | undefined };
  /** Milliseconds; -1 is for ever. */
  readonly retentionMs: { readonly wanted: number; readonly there: number | undefined };
  readonly state: 'ok' | 'created' | 'missing' | 'differs';
}

/**
 * Compares the topics of `definitions` with what the cluster has, and makes the missing ones if `create` says so. One that
 * differs is left as it is: more partitions would move keys while their events are under way. Where definitions share a
 * topic, the most that one of them wants counts.
 * @returns a line for each topic, by name
 * @throws RK_EVENTS_KAFKA_AWAY, _KAFKA_REFUSED
 */
export async function ensureTopics(
  definitions: readonly AnyEventDefinition[],
  options: KafkaOptions,
  { create }: { readonly create: boolean },
): Promise<TopicStatus[]> {
  // Whoever does without Kafka does without its client.
  const { compareTopics } = await import('./topics.js');
  return compareTopics(definitions, options, { create });
}
