import { Logger } from '@nestjs/common';
import type { HttpLogger } from './http.options.js';

/** Reports through Nest's logger, whichever the application has. */
export function nestHttpLogger(): HttpLogger {
  const logger = new Logger('Http');
  return {
    error: ({ err, ...fields }, message) =>
      logger.error(`${message} ${JSON.stringify(fields)}`, err instanceof Error ? stackOf(err) : undefined),
    warn: (fields, message) => logger.warn(`${message} ${JSON.stringify(fields)}`),
  };
}

function stackOf(error: Error): string {
  const stack = error.stack ?? String(error);
  return error.cause instanceof Error ? `${stack}\ncaused by ${stackOf(error.cause)}` : stack;
}
