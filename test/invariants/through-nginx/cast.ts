import { ask, type Answer } from '../../stack/support/traffic.js';

export interface Person {
  readonly username: string;
  readonly authorization: string;
}

const PEOPLE = 4;

/** Sends a request with a body of JSON, on a connection of its own. @throws where the connection fails */
export function send(
  url: string,
  method: string,
  { as, body }: { readonly as?: Person | undefined; readonly body?: unknown } = {},
): Promise<Answer> {
  return ask(url, {
    method,
    headers: {
      ...(as && { authorization: as.authorization }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** @throws unless it is a success */
export async function done(sent: Promise<Answer>): Promise<Answer> {
  const answer = await sent;
  if (answer.status < 200 || answer.status > 299)
    throw new Error(`${answer.status} ${answer.body.slice(0, 200)}`);
  return answer;
}

/** Registers somebody whose name nobody has. @throws unless it is acknowledged */
export async function register(site: string, username: string): Promise<Person> {
  const user = { username, email: `${username}@example.org`, password: `password of ${username}` };
  const { body } = await done(send(`${site}/api/users`, 'POST', { body: { user } }));
  const { token } = (JSON.parse(body) as { user: { token: string } }).user;
  return { username, authorization: `Token ${token}` };
}

/** A few people who follow each other, so that what one of them writes is in read models of the others. */
export async function cast(site: string): Promise<readonly Person[]> {
  const run = Date.now().toString(36);
  const people: Person[] = [];
  for (let at = 0; at < PEOPLE; at++) people.push(await register(site, `actor${at}of${run}`));
  for (const [at, as] of people.entries()) {
    const { username } = people[(at + 1) % PEOPLE]!;
    await done(send(`${site}/api/profiles/${username}/follow`, 'POST', { as }));
  }
  return people;
}
