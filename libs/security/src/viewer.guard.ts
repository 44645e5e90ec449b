import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { currentContext } from '@rookery/kernel';
import { AuthorizationHeader } from './authorization-header.js';
import { securityErrors } from './security.errors.js';
import type { TokenService, Verified } from './token.service.js';
import { setViewer, viewerRule, type MayHaveViewer, type ViewerRule } from './viewer.decorators.js';

interface Incoming extends MayHaveViewer {
  readonly headers: { readonly authorization?: string };
}
interface Outgoing {
  header(name: string, value: string): unknown;
}

/**
 * The one guard of the site, for all routes: says who calls, by the route's `@Authenticated` or `@OptionalViewer`.
 * Answers at once for a token that is known already; sets `viewerId` of the kernel's context and what `@Viewer` gives.
 */
export class ViewerGuard implements CanActivate {
  private readonly header: AuthorizationHeader;
  private readonly rules = new WeakMap<object, WeakMap<object, ViewerRule | 'public'>>();

  constructor(
    private readonly tokens: TokenService,
    private readonly schemes: readonly [string, ...string[]],
  ) {
    this.header = new AuthorizationHeader(schemes);
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rule = this.ruleOf(context);
    if (rule === 'public') return true;
    // A rule on something that has no Authorization header must not be passed by in silence.
    if (context.getType() !== 'http') return rule === 'optional' || this.refuse('TOKEN_MISSING', undefined);
    const http = context.switchToHttp();
    const request = http.getRequest<Incoming>();
    const token = this.header.tokenOf(request.headers.authorization);
    if (token === undefined) return rule === 'optional' || this.refuse('TOKEN_MISSING', http.getResponse());
    const known = this.tokens.peek(token);
    if (known !== undefined) return admit(request, known);
    return this.verify(token, rule, request, http.getResponse());
  }

  private async verify(
    token: string,
    rule: ViewerRule,
    request: Incoming,
    response: Outgoing,
  ): Promise<boolean> {
    try {
      return admit(request, await this.tokens.verify(token));
    } catch (error) {
      if (!securityErrors.is(error, 'TOKEN_INVALID')) throw error;
      if (rule === 'optional') return true;
      response.header('www-authenticate', `${this.schemes[0]} error="invalid_token"`);
      throw error;
    }
  }

  private refuse(name: 'TOKEN_MISSING', response: Outgoing | undefined): never {
    response?.header('www-authenticate', this.schemes[0]);
    throw securityErrors.create(name);
  }

  /** Metadata is read once per route: reflection costs more than the rest of the guard. */
  private ruleOf(context: ExecutionContext): ViewerRule | 'public' {
    const controller = context.getClass();
    const handler = context.getHandler();
    let rules = this.rules.get(handler);
    if (rules === undefined) this.rules.set(handler, (rules = new WeakMap()));
    let rule = rules.get(controller);
    if (rule === undefined) rules.set(controller, (rule = viewerRule(controller, handler) ?? 'public'));
    return rule;
  }
}

function admit(request: Incoming, verified: Verified): true {
  setViewer(request, verified.subject);
  const context = currentContext();
  if (context !== undefined) context.viewerId = verified.subject;
  return true;
}
