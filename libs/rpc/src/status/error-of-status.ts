import { status as Status, type ServiceError } from '@grpc/grpc-js';
import { CodedError, type Deadline } from '@rookery/kernel';
import { rpcErrors } from '../rpc.errors.js';
import { decodeDetails } from './details.js';
import { errorNameOf } from './status-codes.js';
import {
  DATA_PREFIX,
  DOMAIN,
  ERROR_CODE,
  HTTP_STATUS,
  RETRY_AFTER,
  RETRYABLE,
  STATUS_DETAILS,
} from './status-of-error.js';

const CODE = /^RK_[A-Z0-9_]{1,96}$/;

/**
 * The error that a call fails with. A server of this house gives its own back: code, HTTP status, whether to try again, and
 * below 500 message and data. Of others it is RK_RPC_<status>, or RK_KERNEL_DEADLINE_EXCEEDED.
 */
export function errorOfStatus(failure: ServiceError, method: string, deadline: Deadline): CodedError {
  const theirs = codedOf(failure);
  if (theirs) return theirs;
  if (failure.code === Status.DEADLINE_EXCEEDED) return deadline.exceeded(`calling ${method}`, failure);
  return rpcErrors.create(errorNameOf(failure.code), {
    data: { method, reason: failure.details },
    cause: failure,
  });
}

function codedOf(failure: ServiceError): CodedError | undefined {
  const [bytes] = failure.metadata?.get(STATUS_DETAILS) ?? [];
  const info = Buffer.isBuffer(bytes) ? decodeDetails(bytes) : undefined;
  if (info?.domain !== DOMAIN || !CODE.test(info.reason)) return undefined;
  const { [HTTP_STATUS]: http, [RETRYABLE]: retryable, [RETRY_AFTER]: retryAfter } = info.metadata;
  const status = Number(http);
  if (!Number.isInteger(status) || status < 400 || status > 599) return undefined;
  const seconds = Number(retryAfter);
  return new CodedError(
    info.reason,
    { status, message: failure.details, retryable: retryable === 'true' },
    {
      data: dataOf(info.metadata),
      cause: failure,
      ...(retryAfter !== undefined && Number.isFinite(seconds) ? { retryAfterSeconds: seconds } : {}),
    },
  );
}

/** The code that a failed call's trailers tell, for logs. */
export function codeOfTrailers(
  metadata: { get(name: string): unknown[] } | null | undefined,
): string | undefined {
  const [code] = metadata?.get(ERROR_CODE) ?? [];
  return typeof code === 'string' ? code : undefined;
}

function dataOf(metadata: Readonly<Record<string, string>>): Record<string, unknown> {
  const data = new Map<string, unknown>();
  for (const [name, json] of Object.entries(metadata)) {
    if (!name.startsWith(DATA_PREFIX)) continue;
    try {
      data.set(name.slice(DATA_PREFIX.length), JSON.parse(json));
    } catch {
      data.set(name.slice(DATA_PREFIX.length), json);
    }
  }
  return Object.fromEntries(data);
}
