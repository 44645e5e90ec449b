/** Reads a token out of an Authorization header (RFC 9110, 11.6.2): `<scheme> <token>`, the scheme in any case. */
export class AuthorizationHeader {
  private readonly schemes: ReadonlySet<string>;

  constructor(schemes: readonly string[]) {
    this.schemes = new Set(schemes.map((scheme) => scheme.toLowerCase()));
  }

  /** @returns `undefined` where there is no header, another scheme, or no token after it */
  tokenOf(header: unknown): string | undefined {
    if (typeof header !== 'string') return undefined;
    const space = header.indexOf(' ');
    if (space === -1 || !this.schemes.has(header.slice(0, space).toLowerCase())) return undefined;
    const token = header.slice(space + 1).trim();
    return token === '' ? undefined : token;
  }
}
