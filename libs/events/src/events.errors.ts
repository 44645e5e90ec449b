import { defineErrors } from '@rookery/kernel';

export const eventsErrors = defineErrors('EVENTS', {
  NO_TRANSACTION: {
    status: 500,
    message: 'an event is published inside a transaction, in the commit of its data',
  },
  UNDECLARED: {
    status: 500,
    message: 'the event {type} is not declared: give its definition to EventsModule',
  },
  BAD_DEFINITION: { status: 500, message: 'the event {type} cannot be defined: {reason}' },
  BAD_PAYLOAD: { status: 500, message: 'the data of {type} does not fit its schema: {reason}' },
  BAD_KEY: { status: 500, message: 'the key of {type} is {reason}' },
  TOO_LARGE: { status: 500, message: 'an event {type} of {bytes} bytes is over the limit of {limit}' },
  UNKNOWN_TYPE: { status: 500, message: 'nothing here knows the event {type}' },
  UNKNOWN_VERSION: {
    status: 500,
    message: '{type} came in version {version}, and this site knows up to {known}',
  },
  UNDECODABLE: { status: 500, message: 'an event {type} cannot be read: {reason}' },
  NO_HANDLER: { status: 500, message: 'group {group} has no handler of {type} in this version of the site' },
  BAD_HANDLER: { status: 500, message: 'the handler {handler} cannot be used: {reason}' },
  HANDLER_REFUSED: { status: 500, message: 'a guard, a pipe or a filter refused {type} in group {group}' },
  DEPENDENCY_AWAY: {
    status: 503,
    retryable: true,
    message: 'what the handlers of {group} need is away: {reason}',
  },
  KILLED_THE_PROCESS: {
    status: 500,
    message: 'the process ended {times} times while {type} was handled in group {group}',
  },
  UNKNOWN_TOPIC: {
    status: 503,
    message: 'Kafka does not have {topics}: make the topics with `rookery events topics`',
  },
  KAFKA_AWAY: { status: 503, retryable: true, message: 'Kafka does not answer: {reason}' },
  KAFKA_REFUSED: { status: 503, message: 'Kafka refuses this site: {reason}' },
  KAFKA_TOO_LARGE: { status: 500, message: 'Kafka takes no event {type} of {bytes} bytes on {topic}' },
  UNKNOWN_GROUP: { status: 404, message: 'no group is named {group}' },
  GROUP_IN_USE: { status: 409, message: 'group {group} is handled by {replicas}' },
  UNKNOWN_PROCESS: { status: 404, message: 'no process has the id {id}, or none is remembered' },
  NOT_PARKED: { status: 404, message: 'nothing is parked in group {group} under {what}' },
});
