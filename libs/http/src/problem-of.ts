import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { CodedError } from '@rookery/kernel';
import { httpErrors, type HttpErrorName } from './http.errors.js';
import type { FieldProblem, Problem } from './problem.js';

const BY_STATUS: Readonly<Record<number, HttpErrorName>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  406: 'NOT_ACCEPTABLE',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  410: 'GONE',
  412: 'PRECONDITION_FAILED',
  413: 'BODY_TOO_LARGE',
  414: 'URI_TOO_LONG',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  417: 'EXPECTATION_FAILED',
  422: 'UNPROCESSABLE',
  429: 'TOO_MANY_REQUESTS',
  431: 'HEADERS_TOO_LARGE',
  500: 'INTERNAL',
  501: 'NOT_IMPLEMENTED',
  503: 'UNAVAILABLE',
};

const BY_FASTIFY_CODE: Readonly<Record<string, HttpErrorName>> = {
  FST_ERR_BAD_URL: 'BAD_URL',
  FST_ERR_MAX_PARAM_LENGTH: 'URI_TOO_LONG',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MALFORMED_REQUEST',
  FST_ERR_CTP_INVALID_JSON_BODY: 'MALFORMED_JSON',
  FST_ERR_NOT_FOUND: 'ROUTE_NOT_FOUND',
};

/** What a 5xx says instead of what went wrong inside. */
const OPAQUE: Readonly<Record<number, string>> = {
  503: 'The service cannot answer this at present; try again later.',
  504: 'The answer took longer than the request may take.',
};

/**
 * Makes a problem of whatever was thrown. A coded error keeps its code and status, and below 500 its message; an
 * HttpException of Nest keeps its status and message below 500; errors of Fastify and its plugins are told by their code
 * or status; anything else is RK_HTTP_INTERNAL. Never throws.
 */
export function problemOf(error: unknown, bodyLimitBytes = 0): Problem {
  if (error instanceof CodedError) return ofCoded(error);
  if (error instanceof HttpException) {
    return ofFastify(error.cause, bodyLimitBytes) ?? ofStatus(error.getStatus(), error, error.message);
  }
  return ofFastify(error, bodyLimitBytes) ?? ofClientFault(error) ?? ofStatus(500, error);
}

function ofCoded(error: CodedError): Problem {
  const { data } = error;
  const fields = Array.isArray(data['fields']) ? (data['fields'] as readonly FieldProblem[]) : undefined;
  return {
    status: error.status,
    code: error.code,
    title: titleOf(error.status),
    detail: detailOf(error.status, error.message),
    fields,
    retryAfterSeconds: error.retryAfterSeconds,
    headers: typeof data['allow'] === 'string' ? { allow: data['allow'] } : undefined,
    error,
  };
}

function ofFastify(error: unknown, limit: number): Problem | undefined {
  const name = BY_FASTIFY_CODE[String((error as { code?: unknown } | null | undefined)?.code)];
  if (name === undefined) return undefined;
  return { ...ofCoded(httpErrors.create(name, { data: { limit }, cause: error })), error };
}

/** Plugins throw errors with a status of their own (http-errors); only those that blame the client are believed. */
function ofClientFault(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined;
  const { statusCode } = error as Error & { statusCode?: unknown };
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined;
  return ofStatus(statusCode, error);
}

function ofStatus(status: number, error: unknown, message?: string): Problem {
  const name = BY_STATUS[status] ?? (status >= 500 ? 'INTERNAL' : 'BAD_REQUEST');
  const { [name]: definition } = httpErrors.definitions;
  return {
    status,
    code: httpErrors.codes[name],
    title: titleOf(status),
    detail: detailOf(status, message ?? definition.message),
    error,
  };
}

function titleOf(status: number): string {
  return STATUS_CODES[status] ?? 'Error';
}

function detailOf(status: number, message: string): string {
  if (status < 500) return message;
  return OPAQUE[status] ?? 'The server failed; the request id leads to what it logged.';
}
