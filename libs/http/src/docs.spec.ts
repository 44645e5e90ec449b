import { openApiDocument, problemDetails } from './index.js';
import { startSite, type Site } from './testing/site.js';

const docs = {
  title: 'Things',
  version: '1.2.3',
  credentials: { description: 'Token …' },
  hidden: ['/api/hang'],
};
let site: Site;
beforeAll(async () => {
  site = await startSite({ docs, globalPrefix: { prefix: 'api', exclude: ['raw'] } });
});
afterAll(() => site.close());

test('the document has operations, parameters, bodies and responses from the schemas', async () => {
  const response = await fetch(`${site.url}/openapi.json`);
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  const document = (await response.json()) as ReturnType<typeof openApiDocument>;
  expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument(site.app, docs, problemDetails))));
  expect(document.info).toMatchObject({ title: 'Things', version: '1.2.3' });
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining(['/api/things', '/api/things/{id}', '/raw']),
  );
  expect(document.paths).not.toHaveProperty('/api/hang');
  const { get: list, post: create } = document.paths['/api/things']!;
  expect(list).toMatchObject({
    operationId: 'listThings',
    tags: ['things'],
    security: expect.arrayContaining([{ credentials: [] }, {}]),
    parameters: [
      {
        name: 'limit',
        in: 'query',
        required: false,
        schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
      },
      { name: 'tag', in: 'query', required: false, schema: { type: 'string' } },
    ],
  });
  expect(create).toMatchObject({
    security: [{ credentials: [] }],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['thing'],
            properties: {
              thing: { properties: { name: { type: 'string', minLength: 1, maxLength: 100 } } },
            },
          },
        },
      },
    },
    responses: {
      201: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } } },
      422: { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
    },
  });
  expect(document.components?.schemas).toMatchObject({
    Thing: { type: 'object' },
    Problem: { type: 'object' },
  });
  expect(document.paths['/api/whoami']!.get).toMatchObject({
    parameters: [],
    security: [{ credentials: [] }],
  });
  expect(document.paths['/api/things/{id}']!.get).toMatchObject({
    parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1 } }],
  });
});

test('the page and its files are served from the package, under a policy that fits them', async () => {
  const page = await fetch(`${site.url}/docs`);
  expect(page.status).toBe(200);
  const html = await page.text();
  expect(html).toContain('Things');
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
  // The policy forbids inline scripts and other origins, so the page must have neither.
  expect(html).not.toMatch(/<script(?![^>]*src=)[^>]*>\s*\S/);
  expect(html).not.toMatch(/(?:src|href)=["']?(?:https?:)?\/\//);
  for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-ui-init.js', 'favicon-32x32.png']) {
    const asset = await fetch(`${site.url}/docs/${file}`);
    expect([file, asset.status]).toEqual([file, 200]);
    expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(300);
  }
  expect((await fetch(`${site.url}/docs/nothing.js`)).status).toBe(404);
  expect((await fetch(`${site.url}/docs/..%2f..%2fpackage.json`)).status).toBeGreaterThanOrEqual(400);
});

test('nothing else gets the policy of the page', async () => {
  expect((await fetch(`${site.url}/raw`)).headers.get('content-security-policy')).toContain(
    "default-src 'none'",
  );
  expect((await fetch(`${site.url}/raw`)).headers.get('content-security-policy')).not.toContain('script-src');
});
