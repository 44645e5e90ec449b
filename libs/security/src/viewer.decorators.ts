import { createParamDecorator, SetMetadata, type ExecutionContext, type Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Id } from '@rookery/kernel';

/** What a route asks of its viewer. A route without a rule is public: the Authorization header is not read. */
export type ViewerRule = 'required' | 'optional';

const RULE = 'rookery:viewer-rule';
const VIEWER = Symbol('rookery.viewer');

type Handler = ReturnType<ExecutionContext['getHandler']>;

/** A request the guard has seen. */
export interface MayHaveViewer {
  [VIEWER]?: Id;
}

/**
 * A route, or every route of a controller, that only a signed-in viewer may call: without a token it is 401
 * RK_SECURITY_TOKEN_MISSING, with a bad or expired one 401 RK_SECURITY_TOKEN_INVALID, before anything else of the route
 * runs. A method's own decorator wins over its controller's.
 */
export const Authenticated = () => SetMetadata(RULE, 'required' satisfies ViewerRule);

/** A route that shows more to a signed-in viewer. A bad or expired token counts as none: a stale session still sees the page. */
export const OptionalViewer = () => SetMetadata(RULE, 'optional' satisfies ViewerRule);

/**
 * The id of the viewer: always there on an `@Authenticated` route, `undefined` for an anonymous call of an
 * `@OptionalViewer` route, and always `undefined` on a public one.
 */
export const Viewer = createParamDecorator(
  (_: unknown, context: ExecutionContext): Id | undefined =>
    context.switchToHttp().getRequest<MayHaveViewer>()[VIEWER],
);

const reflector = new Reflector();

/** The rule of a route, for what documents or lists routes. */
export function viewerRule(controller: Type, handler: Handler): ViewerRule | undefined {
  return reflector.getAllAndOverride<ViewerRule | undefined>(RULE, [handler, controller]);
}

export function setViewer(request: MayHaveViewer, viewerId: Id): void {
  request[VIEWER] = viewerId;
}
