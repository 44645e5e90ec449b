import { defineErrors } from '@rookery/kernel';

/** What the request path itself refuses. `{…}` is filled from the error's data; no value a client sent is echoed. */
export const httpErrors = defineErrors('HTTP', {
  MALFORMED_REQUEST: { status: 400, message: 'the request is not well-formed HTTP' },
  BAD_URL: { status: 400, message: 'the path has a percent-encoding that cannot be decoded' },
  REQUEST_ABORTED: { status: 400, message: 'the client left before its request had arrived completely' },
  MALFORMED_JSON: { status: 400, message: 'the body is not JSON in UTF-8' },
  INVALID_INPUT: { status: 422, message: 'the input does not fit what this operation takes' },
  BAD_REQUEST: { status: 400, message: 'the request cannot be served as it is' },
  UNAUTHORIZED: { status: 401, message: 'the request needs valid credentials' },
  FORBIDDEN: { status: 403, message: 'the credentials do not allow this' },
  NOT_FOUND: { status: 404, message: 'there is nothing here' },
  ROUTE_NOT_FOUND: { status: 404, message: 'no operation has this path' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'this path does not take this method' },
  NOT_ACCEPTABLE: { status: 406, message: 'none of the accepted forms can be produced' },
  REQUEST_TIMEOUT: { status: 408, message: 'the request did not arrive completely in time', retryable: true },
  CONFLICT: { status: 409, message: 'the request contradicts the present state' },
  GONE: { status: 410, message: 'what was here is gone' },
  PRECONDITION_FAILED: { status: 412, message: 'a precondition of the request does not hold' },
  BODY_TOO_LARGE: { status: 413, message: 'the body is larger than {limit} bytes' },
  URI_TOO_LONG: { status: 414, message: 'the path is too long' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'the body must be application/json' },
  EXPECTATION_FAILED: { status: 417, message: 'the expectation of the request cannot be met' },
  UNPROCESSABLE: { status: 422, message: 'the request is understood and cannot be carried out' },
  TOO_MANY_REQUESTS: { status: 429, message: 'too many requests', retryable: true },
  HEADERS_TOO_LARGE: { status: 431, message: 'the header fields are too large' },
  INTERNAL: { status: 500, message: 'the server failed' },
  NOT_IMPLEMENTED: { status: 501, message: 'this is not implemented' },
  UNAVAILABLE: { status: 503, message: 'the service cannot answer at present', retryable: true },
});

export type HttpErrorName = keyof typeof httpErrors.codes;
