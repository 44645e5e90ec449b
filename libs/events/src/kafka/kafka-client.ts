import { CodedError } from '@rookery/kernel';
import { Kafka, logLevel, type logCreator, type RetryOptions } from 'kafkajs';
import { eventsErrors } from '../events.errors.js';
import type { KafkaSettings } from './kafka.options.js';
import { quietRequestQueues } from './quiet-request-queues.js';

const CONNECT_MS = 3_000;
const REPEAT_MS = 60_000;

/** What a client tries by itself; beyond it, whoever uses the client decides, and makes a new one. */
export const CLIENT_RETRIES: RetryOptions = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 };

/** A client of the cluster. Nothing is connected yet. */
export function kafkaClient(
  settings: KafkaSettings,
  onWarning: (message: string) => void,
  retry: RetryOptions = CLIENT_RETRIES,
): Kafka {
  quietRequestQueues();
  const { brokers, clientId, ssl, sasl, requestTimeoutMs } = settings;
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ssl,
    ...(sasl ? { sasl } : {}),
    connectionTimeout: CONNECT_MS,
    requestTimeout: requestTimeoutMs,
    retry,
    logLevel: logLevel.ERROR,
    logCreator: () => oncePerMinute(onWarning),
  });
}

/** Of its lines, those of faults that reach nobody otherwise: that a partition had to be begun anew. */
function oncePerMinute(onWarning: (message: string) => void): ReturnType<logCreator> {
  const told = new Map<string, number>();
  return ({ namespace, log }) => {
    if (namespace !== 'ConsumerGroup') return;
    const now = performance.now();
    if (now - (told.get(log.message) ?? -Infinity) < REPEAT_MS) return;
    told.set(log.message, now);
    onWarning(`kafkajs: ${log.message}`);
  };
}

/** `type` of Kafka's own protocol errors, wherever kafkajs has wrapped it. */
export function protocolErrorOf(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('type' in cause && typeof cause.type === 'string') return cause.type;
  }
  return undefined;
}

/** What a failure of Kafka means to this site, in its own codes. */
export function faultOf(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const type = protocolErrorOf(error);
  const reason = type ?? (error instanceof Error ? error.message : String(error));
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') {
    return eventsErrors.create('UNKNOWN_TOPIC', { data: { topics: 'a topic in use' }, cause: error });
  }
  if (type !== undefined && /AUTHORIZATION|AUTHENTICATION|SASL/.test(type)) {
    return eventsErrors.create('KAFKA_REFUSED', { data: { reason }, cause: error });
  }
  if (error instanceof Error && error.name.startsWith('KafkaJSSASL')) {
    return eventsErrors.create('KAFKA_REFUSED', { data: { reason }, cause: error });
  }
  return eventsErrors.create('KAFKA_AWAY', { data: { reason }, cause: error });
}

/** Whether a broker will never take these messages as they are. */
export function isTooLarge(error: unknown): boolean {
  const type = protocolErrorOf(error);
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE';
}

const BECOMING = ['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP'];

/** Whether a broker answers that it will soon be able to. */
export function isBecoming(error: unknown): boolean {
  return BECOMING.includes(protocolErrorOf(error) ?? '');
}
