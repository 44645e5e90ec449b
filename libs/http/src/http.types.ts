import type { AbstractHttpAdapter } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';

// Taken from the adapter, so that the types are those of the Fastify it runs on and no second copy can get in.
type Parts =
  FastifyAdapter extends AbstractHttpAdapter<unknown, infer Request, infer Reply>
    ? { request: Request; reply: Reply }
    : never;

/** The request that guards, pipes and filters see: Fastify's. */
export type HttpRequest = Parts['request'];
/** The reply that filters see: Fastify's. */
export type HttpReply = Parts['reply'];
