import { STATUS_CODES } from 'node:http';
import { applyDecorators, HttpCode } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiSecurity } from '@nestjs/swagger';
import type { z } from 'zod';

/** Name of the security scheme in the document. */
export const CREDENTIALS = 'credentials';

export type EndpointResponse =
  | z.ZodType
  /** No body, or for a status from 400 on the renderer's form. */
  | string
  | { readonly description: string; readonly schema?: z.ZodType };

export interface EndpointOptions {
  readonly summary: string;
  readonly description?: string;
  /** Unique in the document; generated clients name their methods by it. */
  readonly operationId: string;
  readonly tags?: string[];
  /** Whether the operation takes credentials. Tells the document; a guard must ask for them. @default 'none' */
  readonly auth?: 'required' | 'optional' | 'none';
  /** By status. The first below 300 is what the route answers; others are what a client must expect. */
  readonly responses: Readonly<Record<number, EndpointResponse>>;
}

/**
 * Declares what a route is: for Nest (its status) and for the OpenAPI document. Parameters and the body are declared where
 * they are taken, by `@Param`, `@Query` and `@Body` with `{ schema }`, and get into the document from there.
 */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const statuses = Object.keys(options.responses).map(Number);
  const success = statuses.find((status) => status < 300);
  const decorators: MethodDecorator[] = [
    ApiOperation({
      summary: options.summary,
      description: options.description,
      operationId: options.operationId,
      tags: options.tags,
    }),
    ...statuses.map((status) => responseOf(status, options.responses[status]!)),
  ];
  if (success !== undefined) decorators.push(HttpCode(success));
  if (options.auth === 'required' || options.auth === 'optional') decorators.push(ApiSecurity(CREDENTIALS));
  // An empty requirement beside the scheme says that none is fine too.
  if (options.auth === 'optional') decorators.push(ApiSecurity({}));
  return applyDecorators(...decorators);
}

function responseOf(status: number, response: EndpointResponse): MethodDecorator {
  if (typeof response === 'string') return ApiResponse({ status, description: response });
  if ('description' in response && !('_zod' in response)) {
    const { description, schema } = response;
    return ApiResponse({ status, description, ...(schema === undefined ? {} : { standardSchema: schema }) });
  }
  return ApiResponse({
    status,
    description: response.description ?? STATUS_CODES[status],
    standardSchema: response,
  });
}
