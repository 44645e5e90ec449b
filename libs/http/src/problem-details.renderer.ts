import type { ErrorRenderer, Problem, RenderedProblem } from './problem.js';

const SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'requestId'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', example: 'RK_HTTP_INVALID_INPUT' },
    requestId: { type: 'string' },
    fields: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'path', 'in', 'reason', 'message'],
        properties: {
          field: { type: 'string', example: 'article.title' },
          path: { type: 'array', items: { oneOf: [{ type: 'string' }, { type: 'integer' }] } },
          in: { type: 'string', enum: ['body', 'query', 'path', 'input'] },
          reason: { type: 'string' },
          message: { type: 'string' },
        },
      },
    },
  },
};

/**
 * Problem details for HTTP APIs (RFC 9457), with `code`, `requestId` and `fields` as extension members. `type` is
 * `about:blank`, so `title` is the phrase of the status; programs tell failures apart by `code`.
 */
export const problemDetails: ErrorRenderer = {
  render(problem: Problem, { requestId }): RenderedProblem {
    const { status, title, detail, code, fields } = problem;
    return {
      status,
      contentType: 'application/problem+json',
      body: { type: 'about:blank', title, status, detail, code, requestId, fields },
    };
  },
  documented: { name: 'Problem', contentType: 'application/problem+json', schema: SCHEMA },
};
