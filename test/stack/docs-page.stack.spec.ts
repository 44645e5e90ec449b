// needs: chromium
import { chromium, type Browser, type Page } from 'playwright-core';
import { findProgram } from '../../scripts/system-programs.mjs';
import { useConduit } from '../support/conduit.js';

const OPERATIONS = 19;
/** Of one step; the browser shares the machine with others. */
const LIMIT_MS = 60_000;

const conduit = useConduit();

describe('/docs, to a person with a browser', () => {
  let browser: Browser;
  let page: Page;
  const troubles: string[] = [];

  beforeAll(async () => {
    // Root may not use Chromium's sandbox; what is opened here is our own page.
    browser = await chromium.launch({
      executablePath: findProgram('chromium'),
      args: ['--no-sandbox'],
      timeout: LIMIT_MS,
    });
    page = await browser.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    const { origin, href } = new URL('/docs', conduit.site.baseUrl);
    page.on('request', (request) => isFrom(origin, request.url()) || troubles.push(`asked ${request.url()}`));
    page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()));
    page.on('pageerror', (error) => troubles.push(error.message));
    page.on('requestfailed', (request) => troubles.push(`${request.url()} ${request.failure()?.errorText}`));
    await page.goto(href, { waitUntil: 'networkidle' });
    // The page draws its operations once it has read them, which is after the network has gone quiet.
    await page
      .locator('.opblock')
      .nth(OPERATIONS - 1)
      .waitFor();
  }, 3 * LIMIT_MS);
  afterAll(() => browser?.close());
  afterEach(() => expect(troubles).toEqual([]));

  const operation = (method: string, path: string) =>
    page
      .locator('.opblock')
      .filter({ has: page.locator(`.opblock-summary-${method}`) })
      .filter({ has: page.locator(`[data-path="${path}"]`) });

  /** Opens an operation, sends it with the body that stands there or another, and reads what the page shows. */
  async function tryOut(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: string; body: string }> {
    const block = operation(method, path);
    await block.locator('.opblock-summary-control').click();
    if (body !== undefined) await block.locator('textarea').fill(JSON.stringify(body));
    await block.locator('.btn.execute').click();
    const answer = block.locator('.live-responses-table .response').first();
    await answer.waitFor();
    return {
      status: await answer.locator('.response-col_status').innerText(),
      body: await answer.locator('.highlight-code code').first().innerText(),
    };
  }

  it('is found from the bare address, by a page that looks as it should', async () => {
    const start = await browser.newPage();
    try {
      start.setDefaultTimeout(LIMIT_MS);
      const said: string[] = [];
      start.on('console', (message) => said.push(message.text()));
      await start.goto(new URL('/', conduit.site.baseUrl).href, { waitUntil: 'networkidle' });
      expect(await start.locator('h1').innerText()).toMatch(/^Conduit \d/);
      // Where its style is refused, links stand beside what they are about in one line of text.
      expect(await start.evaluate('getComputedStyle(document.querySelector("li")).display')).toBe('flex');
      expect(said).toEqual([]);
      await start.getByRole('link', { name: '/docs' }).click();
      await start
        .locator('.opblock')
        .nth(OPERATIONS - 1)
        .waitFor();
      expect(new URL(start.url()).pathname).toBe('/docs');
    } finally {
      await start.close();
    }
  });

  it('shows the operations of the site, and nothing that is not for clients', async () => {
    expect(await page.locator('.opblock').count()).toBe(OPERATIONS);
    expect(await operation('get', '/api/articles').isVisible()).toBe(true);
    expect(await page.locator('.opblock-tag').allInnerTexts()).not.toContain('default');
  });

  it('sends a request that somebody tries out, and shows the answer', async () => {
    const { status, body } = await tryOut('get', '/api/tags');
    expect(status).toMatch(/^200\b/);
    expect(JSON.parse(body)).toEqual({ tags: [] });
  });

  it('takes somebody from registering to an article of their own', async () => {
    const username = conduit.unique('reader');
    const registered = await tryOut('post', '/api/users', {
      user: { username, email: `${username}@example.com`, password: 'long enough' },
    });
    expect(registered.status).toMatch(/^201\b/);
    const { user } = JSON.parse(registered.body) as { user: { token: string } };

    await page.locator('.btn.authorize').first().click();
    await page.locator('.modal-ux input').fill(`Token ${user.token}`);
    await page.locator('.modal-ux .btn.authorize').click();
    await page.locator('.modal-ux .btn-done').click();
    const me = await tryOut('get', '/api/user');
    expect(me.status).toMatch(/^200\b/);
    expect(JSON.parse(me.body)).toMatchObject({ user: { username } });

    // With the body that the page proposes.
    const article = await tryOut('post', '/api/articles');
    expect(article.status).toMatch(/^201\b/);
    expect(JSON.parse(article.body)).toMatchObject({
      article: { title: 'On nests', author: { username } },
    });
  });
});

/** Pictures that stand in the style sheet itself come from there, too. */
function isFrom(origin: string, url: string): boolean {
  return url.startsWith('data:') || new URL(url).origin === origin;
}
