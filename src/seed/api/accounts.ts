import { atOnce } from '../at-once.js';
import { aliasOf, emailOf } from '../plan/accounts.js';
import { ApiFault, type ApiClient } from './api-client.js';

/** A user who is signed in. */
export interface Account {
  /** As the site has it: another than the planned one where that was somebody else's. */
  readonly username: string;
  readonly token: string;
  /** Whether an earlier run made it, so that there may be work of it already. */
  readonly known: boolean;
}

interface UserAnswer {
  readonly user: { readonly username: string; readonly token: string };
}

export interface AccountsOptions {
  readonly password: string;
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
  readonly onDone: () => void;
}

/** Registers everybody, or signs in who is there already. */
export async function openAccounts(
  api: ApiClient,
  usernames: readonly string[],
  { password, concurrency, signal, onDone }: AccountsOptions,
): Promise<Map<string, Account>> {
  const accounts = new Map<string, Account>();
  await atOnce(
    usernames,
    concurrency,
    async (planned) => {
      const account = (await open(api, planned, password)) ?? (await open(api, aliasOf(planned), password));
      if (!account) {
        throw new Error(
          `${planned} and ${aliasOf(planned)} are taken by others, or were seeded with another --password`,
        );
      }
      accounts.set(planned, account);
      onDone();
    },
    signal,
  );
  return accounts;
}

/** `undefined` where the name is somebody else's. */
async function open(api: ApiClient, username: string, password: string): Promise<Account | undefined> {
  const email = emailOf(username);
  const made = await api.ask<UserAnswer>('POST', '/users', {
    body: { user: { username, email, password } },
    accepted: [409],
  });
  if (made.status !== 409) return { username, token: made.body.user.token, known: false };
  const signedIn = await api.ask<UserAnswer>('POST', '/users/login', {
    body: { user: { email, password } },
    accepted: [401],
  });
  if (signedIn.status === 401) return undefined;
  const { user } = signedIn.body;
  // An address of ours under another name: somebody renamed a seeded user, who is ours no more.
  if (user.username !== username) return undefined;
  return { username, token: user.token, known: true };
}

/** Whether `url` is Conduit's API. @throws ApiUnreachable; ApiFault if it is something else */
export async function checkConduit(api: ApiClient): Promise<void> {
  const { body } = await api.ask<{ tags?: unknown } | undefined>('GET', '/tags');
  if (!Array.isArray(body?.tags)) throw new ApiFault('GET', '/tags', 200, 'not what Conduit answers');
}
