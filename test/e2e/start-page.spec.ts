import { useConduit } from '../support/conduit.js';
import type { BootedSite } from '../support/site.js';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

describe('the bare address', () => {
  const conduit = useConduit();
  const get = (accept: string, init: RequestInit = {}) =>
    fetch(new URL('/', conduit.site.baseUrl), { ...init, headers: { accept } });

  it('is a page for browsers, whose links lead somewhere', async () => {
    const response = await get(BROWSER);
    const page = await response.text();
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=utf-8',
    ]);
    expect(page).toContain('<h1>Conduit ');
    const links = [...page.matchAll(/<a href="([^"]+)"/g)].map(([, href]) => href!);
    expect(links).toEqual(
      expect.arrayContaining(['/docs', '/openapi.json', '/api/articles', '/api/tags', '/health/ready']),
    );
    for (const href of links) {
      const { status } = await fetch(new URL(href, conduit.site.baseUrl));
      expect([href, status]).toEqual([href, 200]);
    }
    // Nothing is asked for beside it.
    expect(page).not.toMatch(/<(script|img|iframe)|@import|url\(|https?:\/\//);
  });

  it('is JSON for programs', async () => {
    for (const accept of ['application/json', '*/*']) {
      const response = await get(accept);
      expect(response.headers.get('content-type')).toMatch(/^application\/json\b/);
      expect(await response.json()).toEqual({
        name: 'Conduit',
        description: expect.stringContaining('RealWorld') as string,
        version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
        links: {
          docs: '/docs',
          openapi: '/openapi.json',
          articles: '/api/articles',
          tags: '/api/tags',
          ready: '/health/ready',
          live: '/health/live',
        },
      });
    }
  });

  it('may be kept, apart for the one and the other, and may do nothing in a browser but look as it does', async () => {
    for (const accept of [BROWSER, '*/*']) {
      const { headers } = await get(accept, { method: 'HEAD' });
      expect(Object.fromEntries(headers)).toMatchObject({
        'cache-control': 'public, max-age=300',
        vary: 'accept',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'x-request-id': expect.any(String) as string,
      });
      const policy = headers.get('content-security-policy')!;
      expect(policy).toMatch(/^default-src 'none'; /);
      expect(policy).not.toMatch(/unsafe|http|\*/);
    }
  });

  it('takes nothing else, and is not part of the interface', async () => {
    expect((await get('*/*', { method: 'POST' })).status).toBe(405);
    const document = (await (await fetch(new URL('/openapi.json', conduit.site.baseUrl))).json()) as {
      paths: object;
    };
    expect(Object.keys(document.paths)).not.toContain('/');
    expect((conduit.site as BootedSite).site.opsUrl).toBeUndefined();
  });
});
