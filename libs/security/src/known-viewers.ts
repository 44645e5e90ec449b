import { AuthorizationHeader } from './authorization-header.js';
import type { TokenService } from './token.service.js';

/** Who calls, where that is certain at once: for what is answered before the guard. */
export class KnownViewers {
  private readonly header: AuthorizationHeader;

  constructor(
    private readonly tokens: TokenService,
    schemes: readonly string[],
  ) {
    this.header = new AuthorizationHeader(schemes);
  }

  /** The subject of a token that was verified before and is still valid; `undefined` says nothing about it. */
  readonly of = (authorization: string): string | undefined => {
    const token = this.header.tokenOf(authorization);
    return token === undefined ? undefined : this.tokens.peek(token)?.subject;
  };
}
