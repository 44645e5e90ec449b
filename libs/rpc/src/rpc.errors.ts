import { defineErrors } from '@rookery/kernel';

/**
 * What a call fails with where the other side gave no code of its own (one per gRPC status; a deadline that passed is
 * RK_KERNEL_DEADLINE_EXCEEDED), and what is wrong with how this room is used.
 */
export const rpcErrors = defineErrors('RPC', {
  CANCELLED: { status: 499, message: 'the call {method} was cancelled: {reason}' },
  UNKNOWN: { status: 500, message: 'the call {method} failed in a way its server does not tell: {reason}' },
  INVALID_ARGUMENT: { status: 400, message: 'the call {method} was refused, for what it asks: {reason}' },
  NOT_FOUND: { status: 404, message: 'the call {method} found nothing: {reason}' },
  ALREADY_EXISTS: { status: 409, message: 'the call {method} would make what exists already: {reason}' },
  PERMISSION_DENIED: { status: 403, message: 'the call {method} is not allowed: {reason}' },
  RESOURCE_EXHAUSTED: {
    status: 429,
    message: 'the call {method} exceeds what its server gives: {reason}',
    retryable: true,
  },
  FAILED_PRECONDITION: { status: 412, message: 'the call {method} is not possible as things are: {reason}' },
  ABORTED: {
    status: 409,
    message: 'the call {method} lost against another one: {reason}',
    retryable: true,
  },
  OUT_OF_RANGE: { status: 400, message: 'the call {method} asks beyond what there is: {reason}' },
  UNIMPLEMENTED: { status: 501, message: 'the server does not have the method {method}: {reason}' },
  INTERNAL: { status: 500, message: 'the server of {method} failed: {reason}' },
  UNAVAILABLE: {
    status: 503,
    message: 'no server answers the call {method} at present: {reason}',
    retryable: true,
  },
  DATA_LOSS: { status: 500, message: 'the server of {method} has lost data: {reason}' },
  UNAUTHENTICATED: { status: 401, message: 'the call {method} needs valid credentials: {reason}' },
  BAD_PROTO: { status: 500, message: 'the interface cannot be used so: {reason}' },
  BAD_TLS: { status: 500, message: 'the TLS files cannot be used: {reason}' },
  LISTEN_FAILED: { status: 500, message: 'gRPC cannot be served on {address}: {reason}' },
});

export type RpcErrorName = keyof typeof rpcErrors.codes;
