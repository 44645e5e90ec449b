import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { EarlyAnswers } from './early-answers.js';
import { RawJson } from './raw-json.js';
import { ServerCloser } from './server-closer.js';

type Options = ConstructorParameters<typeof FastifyAdapter<Server>>[0];
type Reply = ReturnType<FastifyAdapter['reply']>;
type Target = Parameters<FastifyAdapter['reply']>[0];

/** Nest's adapter, with JSON that is ready and a close that does not wait for the idle. */
export class HttpAdapter extends FastifyAdapter {
  private readonly closer: ServerCloser;

  constructor(
    options: Options,
    private readonly closeLimitMs: number,
    readonly early: EarlyAnswers,
  ) {
    super(options);
    this.closer = new ServerCloser(this.getInstance().server);
  }

  override reply(response: Target, body: unknown, statusCode?: number): Reply {
    if (body instanceof RawJson && 'header' in response) {
      response.header('content-type', 'application/json; charset=utf-8');
      return super.reply(response, body.json, statusCode);
    }
    return super.reply(response, body, statusCode);
  }

  override async close(): Promise<void> {
    await this.closeServer(this.closeLimitMs);
  }

  /** Takes no connection any more, and leaves those that are there as they are; `http.Server` would close the idle ones. */
  leavePort(): void {
    NetServer.prototype.close.call(this.getInstance().server);
  }

  /** Stops listening, lets requests under way finish, and cuts what is left at the limit. May be called again. */
  async closeServer(limitMs: number): Promise<void> {
    await this.closer.close(limitMs, () => super.close());
  }
}
