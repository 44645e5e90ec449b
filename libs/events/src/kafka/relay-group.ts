/** The group that reads the logs for Kafka; no group of handlers may have its name. */
export const RELAY_GROUP = 'kafka';
