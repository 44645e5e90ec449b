import { once } from 'node:events';
import { connect } from 'node:net';

/** People who write, delete, read, sign in rightly and wrongly, and one who speaks no HTTP; until `signal`. */
export async function driveSite(url: string, signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    const ask = async (method: string, path: string, body?: unknown, token?: string): Promise<Response> =>
      fetch(`${url}${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Token ${token}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const [author, reader] = await Promise.all(
      ['author', 'reader'].map(async (role) => {
        const user = { username: `${role}${i}`, email: `${role}${i}@x.org`, password: 'long enough' };
        const answer = await ask('POST', '/api/users', { user });
        return ((await answer.json()) as { user: { token: string } }).user.token;
      }),
    );
    await ask('POST', `/api/profiles/author${i}/follow`, undefined, reader);
    const article = { title: `Title ${i}`, description: 'd', body: 'b', tagList: ['x'] };
    const published = await ask('POST', '/api/articles', { article }, author);
    const { slug } = ((await published.json()) as { article: { slug: string } }).article;
    await ask('POST', '/api/users/login', { user: { email: `author${i}@x.org`, password: 'the wrong one' } });
    for (const path of [
      '/api/articles',
      '/api/tags',
      `/api/profiles/author${i}`,
      '/nowhere',
      '/health/ready',
    ]) {
      await ask('GET', path);
    }
    await ask('GET', '/api/articles/feed', undefined, reader);
    await ask('GET', '/api/user', undefined, 'no.token.atall');
    await ask('DELETE', `/api/articles/${slug}`, undefined, author);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.end('NOT HTTP\r\n\r\n');
    await once(socket.resume(), 'close');
  }
}
