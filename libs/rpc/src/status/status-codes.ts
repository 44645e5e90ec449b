import { status as Status } from '@grpc/grpc-js';
import type { RpcErrorName } from '../rpc.errors.js';

export type StatusName = Exclude<keyof typeof Status, number>;

/** The gRPC status that stands for a class of HTTP status. The other way round of google.rpc.Code, and what it leaves open. */
const BY_HTTP: Readonly<Record<number, Status>> = {
  400: Status.INVALID_ARGUMENT,
  401: Status.UNAUTHENTICATED,
  403: Status.PERMISSION_DENIED,
  404: Status.NOT_FOUND,
  405: Status.UNIMPLEMENTED,
  408: Status.DEADLINE_EXCEEDED,
  409: Status.ALREADY_EXISTS,
  410: Status.NOT_FOUND,
  412: Status.FAILED_PRECONDITION,
  413: Status.INVALID_ARGUMENT,
  415: Status.INVALID_ARGUMENT,
  416: Status.OUT_OF_RANGE,
  422: Status.INVALID_ARGUMENT,
  429: Status.RESOURCE_EXHAUSTED,
  499: Status.CANCELLED,
  501: Status.UNIMPLEMENTED,
  502: Status.UNAVAILABLE,
  503: Status.UNAVAILABLE,
  504: Status.DEADLINE_EXCEEDED,
  507: Status.RESOURCE_EXHAUSTED,
};

/** @param retryable whether the same call may succeed later: a conflict is then one with another call, not with a fact */
export function statusOfHttp(http: number, retryable = false): Status {
  if (http === 409 && retryable) return Status.ABORTED;
  return BY_HTTP[http] ?? (http >= 500 ? Status.INTERNAL : Status.FAILED_PRECONDITION);
}

export function nameOfStatus(code: Status): StatusName {
  return (Status[code] ?? 'UNKNOWN') as StatusName;
}

/** The error that stands for a status without a code; a passed deadline has one of the kernel's. */
export function errorNameOf(code: Status): RpcErrorName {
  const name = nameOfStatus(code);
  return name === 'OK' || name === 'DEADLINE_EXCEEDED' ? 'UNKNOWN' : name;
}
