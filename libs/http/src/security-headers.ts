/**
 * Header fields of every answer, those of errors and of requests that never became one included. An API serves data, so
 * the policy forbids a browser to do anything with it but read it. HSTS is left to the edge, which ends TLS.
 * `cache-control: no-store` is a default that a handler overrides where an answer may be shared.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Fields of an answer that a page of another origin may read. */
export const EXPOSED_HEADERS = ['x-request-id', 'retry-after'];

/**
 * What Swagger UI needs: its own scripts and styles, style elements in its page, icons as data, and calls to this origin.
 * No inline script, nothing from elsewhere.
 */
export const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
