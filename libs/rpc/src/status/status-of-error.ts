import { HttpException } from '@nestjs/common';
import { Metadata, status as Status, type StatusObject } from '@grpc/grpc-js';
import { RpcException } from '@nestjs/microservices';
import { CodedError } from '@rookery/kernel';
import { rpcErrors } from '../rpc.errors.js';
import { encodeDetails } from './details.js';
import { errorNameOf, statusOfHttp } from './status-codes.js';

export const ERROR_CODE = 'x-error-code';
export const STATUS_DETAILS = 'grpc-status-details-bin';
/** Milliseconds after which a retry makes sense; negative: never (gRPC proposal A6). */
export const PUSHBACK = 'grpc-retry-pushback-ms';
export const DOMAIN = 'rookery';
export const HTTP_STATUS = 'http-status';
export const RETRYABLE = 'retryable';
export const RETRY_AFTER = 'retry-after-seconds';
export const DATA_PREFIX = 'data.';

/** Trailers share 8 KiB on most ways; a reason that needs more is not one. */
const MAX_MESSAGE = 1_024;
const MAX_DATA = 2_048;

/** What a 5xx says instead of what went wrong inside. */
const OPAQUE: Readonly<Record<number, string>> = {
  [Status.UNAVAILABLE]: 'the service cannot answer this at present; try again later',
  [Status.DEADLINE_EXCEEDED]: 'the answer took longer than the call may take',
};

/**
 * What a caller is told of whatever was thrown. A coded error keeps its code, and below 500 its message and data; an
 * HttpException or RpcException of Nest keeps its status and message below 500; anything else is RK_RPC_INTERNAL.
 */
export function statusOfError(error: unknown, method: string): StatusObject {
  if (error instanceof CodedError) return ofCoded(error);
  if (error instanceof HttpException)
    return ofStatus(statusOfHttp(error.getStatus()), error.message, method, error);
  if (error instanceof RpcException) {
    const given: unknown = error.getError();
    const { code, message } = (typeof given === 'object' && given !== null ? given : {}) as Partial<{
      code: unknown;
      message: unknown;
    }>;
    if (typeof code === 'number' && code > 0 && code <= 16)
      return ofStatus(code, typeof message === 'string' ? message : error.message, method, error);
  }
  return ofStatus(Status.INTERNAL, 'it failed', method, error);
}

function ofStatus(code: Status, reason: string, method: string, cause: unknown): StatusObject {
  const coded = rpcErrors.create(errorNameOf(code), { data: { method, reason }, cause });
  return { ...ofCoded(coded), code };
}

function ofCoded(error: CodedError): StatusObject {
  const code = statusOfHttp(error.status, error.retryable);
  const told = error.status < 500;
  const details = told ? error.message.slice(0, MAX_MESSAGE) : (OPAQUE[code] ?? 'the server failed');
  const metadata = new Metadata();
  metadata.set(ERROR_CODE, error.code);
  metadata.set(
    STATUS_DETAILS,
    encodeDetails(code, details, {
      reason: error.code,
      domain: DOMAIN,
      metadata: {
        [HTTP_STATUS]: String(error.status),
        [RETRYABLE]: String(error.retryable),
        ...(error.retryAfterSeconds === undefined ? {} : { [RETRY_AFTER]: String(error.retryAfterSeconds) }),
        ...(told ? dataOf(error) : {}),
      },
    }),
  );
  if (error.retryAfterSeconds !== undefined) {
    metadata.set(PUSHBACK, String(Math.max(0, Math.round(error.retryAfterSeconds * 1000))));
  }
  return { code, details, metadata };
}

/** As JSON, value by value; what is not JSON, or would take too much room, is left out. */
function dataOf({ data }: CodedError): Record<string, string> {
  const told: Record<string, string> = {};
  let room = MAX_DATA;
  for (const [name, value] of Object.entries(data)) {
    const json = jsonOf(value);
    if (json === undefined || name.length + json.length > room) continue;
    room -= name.length + json.length;
    told[DATA_PREFIX + name] = json;
  }
  return told;
}

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // A cycle or a bigint: nothing that another process could use.
    return undefined;
  }
}
