import { defineErrors } from '@rookery/kernel';

export const discoveryErrors = defineErrors('DISCOVERY', {
  BAD_OPTIONS: { status: 500, message: 'the registry cannot be configured so: {reason}' },
  BAD_INSTANCE: { status: 500, message: 'the replica {id} of {service} cannot be registered: {reason}' },
  READ_ONLY: { status: 500, message: 'a {driver} registry is read only: nobody registers there' },
  CLOSED: { status: 503, message: 'the registry is closed' },
  AWAY: { status: 503, retryable: true, message: 'the {driver} registry does not answer {call}: {reason}' },
  LEASE_LOST: {
    status: 503,
    retryable: true,
    message: 'the lease of {id} of {service} was lost; it is registered anew',
  },
  BAD_TEMPLATE: { status: 500, message: 'the template {file} cannot be rendered: {reason}' },
  EDGE_OPTIONS: { status: 500, message: 'no balancer can be kept in step so: {reason}' },
  EDGE_REFUSED: { status: 500, message: '{balancer} refuses the new upstreams, the old ones stay: {reason}' },
  EDGE_AWAY: { status: 503, retryable: true, message: '{balancer} cannot be reached: {reason}' },
  EDGE_NO_EFFECT: {
    status: 503,
    retryable: true,
    message: '{balancer} was told to take the new upstreams, and had not after {seconds} s',
  },
  EDGE_TOO_MANY: { status: 500, message: '{count} replicas, and {balancer} has {slots} slots for them' },
});
