import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** Where an application listens, and the variables that say so. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** For this process alone: its workers share nothing of it. @default false */
  readonly exclusive?: boolean;
  /** What a person sets to have it listen elsewhere. @default HOST and PORT */
  readonly settings?: { readonly host: string; readonly port: string };
}

const PUBLIC = { host: 'HOST', port: 'PORT' };

/**
 * Makes an application take connections, and returns its address: `http://127.0.0.1:3000`.
 * Nest's own `listen` writes a failure to the log as well; here it is told once, by whoever catches it.
 * @throws saying which setting is at fault
 */
export async function listen(
  app: NestFastifyApplication,
  { host, port, exclusive = false, settings = PUBLIC }: ListenOptions,
): Promise<string> {
  await app.init();
  try {
    // Workers share what they listen on otherwise, even a port that may be any.
    return await app.getHttpAdapter().getInstance().listen({ host, port, exclusive });
  } catch (cause) {
    throw new Error(reasonOf((cause as NodeJS.ErrnoException).code, host, port, settings), { cause });
  }
}

function reasonOf(code: string | undefined, host: string, port: number, settings: typeof PUBLIC): string {
  if (code === 'EADDRINUSE') {
    return `port ${port} of ${host} is taken: set ${settings.port} to another, or to 0 for any that is free`;
  }
  if (code === 'EACCES') {
    return `port ${port} may not be opened by this user: set ${settings.port} to one above 1023`;
  }
  return `cannot listen on ${host} (${code}): set ${settings.host} to an address of this machine`;
}
