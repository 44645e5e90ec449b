import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** Where an application listens, and the variables that say so. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** What the variables' names begin with: `OPS_` for `OPS_HOST` and `OPS_PORT`. */
  readonly prefix?: 'OPS_';
}

/**
 * Makes an application take connections, and returns its address: `http://127.0.0.1:3000`.
 * Nest's own `listen` writes a failure to the log as well; here it is told once, by whoever catches it.
 * @throws saying which variable is at fault
 */
export async function listen(
  app: NestFastifyApplication,
  { host, port, prefix }: ListenOptions,
): Promise<string> {
  await app.init();
  try {
    // Workers share what they listen on, even a port that may be any; operations are of one process.
    const exclusive = prefix === 'OPS_';
    return await app.getHttpAdapter().getInstance().listen({ host, port, exclusive });
  } catch (cause) {
    throw new Error(reasonOf((cause as NodeJS.ErrnoException).code, host, port, prefix ?? ''), { cause });
  }
}

function reasonOf(code: string | undefined, host: string, port: number, prefix: string): string {
  if (code === 'EADDRINUSE') {
    return `port ${port} of ${host} is taken: set ${prefix}PORT to another, or to 0 for any that is free`;
  }
  if (code === 'EACCES') {
    return `port ${port} may not be opened by this user: set ${prefix}PORT to one above 1023`;
  }
  return `cannot listen on ${host} (${code}): set ${prefix}HOST to an address of this machine`;
}
