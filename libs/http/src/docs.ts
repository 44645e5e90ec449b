import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { DocsOptions } from './http.options.js';
import type { ErrorRenderer } from './problem.js';
import { CREDENTIALS } from './endpoint.decorator.js';
import { DOCUMENTED_DEFAULT } from './text.js';

interface Operation {
  readonly responses?: Record<string, { content?: Record<string, unknown> }>;
  parameters?: { readonly in?: string; readonly name?: string; readonly schema?: Record<string, unknown> }[];
}

/**
 * The OpenAPI 3.0 document of an application: operations as their decorators declare them, parameters, bodies and
 * responses from their schemas, and the error form of the renderer for every response from 400 on that declares no other.
 */
export function openApiDocument(
  app: NestFastifyApplication,
  docs: DocsOptions,
  renderer: ErrorRenderer,
): OpenAPIObject {
  const { name = 'Authorization', description } = docs.credentials ?? {};
  const config = new DocumentBuilder()
    .setTitle(docs.title)
    .setVersion(docs.version)
    .setDescription(docs.description ?? '')
    .addSecurity(CREDENTIALS, { type: 'apiKey', in: 'header', name, description })
    .build();
  const document = SwaggerModule.createDocument(app, config, { autoTagControllers: false });
  for (const path of docs.hidden ?? []) delete document.paths[path];
  for (const operation of operationsOf(document)) documentParameters(operation);
  return documentErrors(document, renderer);
}

function documentErrors(document: OpenAPIObject, { documented }: ErrorRenderer): OpenAPIObject {
  if (documented === undefined) return document;
  const { name, contentType, schema } = documented;
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, [name]: schema },
  };
  const content = { [contentType]: { schema: { $ref: `#/components/schemas/${name}` } } };
  for (const { responses = {} } of operationsOf(document)) {
    for (const [status, response] of Object.entries(responses)) {
      if ((Number(status) >= 400 || status === 'default') && response.content === undefined) {
        response.content = content;
      }
    }
  }
  return document;
}

/** A number in a query is text to its schema and a number to a client. */
function documentParameters(operation: Operation): void {
  // Credentials are the security scheme's: OpenAPI has such a parameter ignored, and the page asks for it twice.
  operation.parameters = operation.parameters?.filter(
    (one) => one.in !== 'header' || one.name?.toLowerCase() !== 'authorization',
  );
  for (const { schema } of operation.parameters ?? []) {
    if (schema?.['type'] !== 'integer') continue;
    delete schema['pattern'];
    if (DOCUMENTED_DEFAULT in schema) schema['default'] = schema[DOCUMENTED_DEFAULT];
    delete schema[DOCUMENTED_DEFAULT];
  }
}

function operationsOf(document: OpenAPIObject): Operation[] {
  return Object.values(document.paths).flatMap((item) => Object.values(item) as Operation[]);
}

/** Serves the document, and Swagger UI from the installed package. */
export function serveDocs(app: NestFastifyApplication, docs: DocsOptions, renderer: ErrorRenderer): void {
  SwaggerModule.setup(docs.path ?? '/docs', app, () => openApiDocument(app, docs, renderer), {
    jsonDocumentUrl: docs.jsonPath ?? '/openapi.json',
    raw: ['json'],
    customSiteTitle: docs.title,
    customCss: '.swagger-ui .topbar { display: none }',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, tryItOutEnabled: true },
  });
}
