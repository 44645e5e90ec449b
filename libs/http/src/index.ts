export { answerEarly, closeHttp, createHttpApplication, leavePort } from './application.js';
export { openApiDocument } from './docs.js';
export type { EarlyAnswer, FindEarly } from './early-answers.js';
export { Endpoint, type EndpointOptions, type EndpointResponse } from './endpoint.decorator.js';
export { httpErrors } from './http.errors.js';
export type { DocsOptions, HttpLogger, HttpOptions, RequestDone } from './http.options.js';
export type { HttpReply, HttpRequest } from './http.types.js';
export { problemDetails } from './problem-details.renderer.js';
export {
  fieldProblem,
  invalidInput,
  type ErrorRenderer,
  type FieldProblem,
  type FieldReason,
  type Problem,
  type RenderedProblem,
} from './problem.js';
export { RawJson } from './raw-json.js';
export { integerParameter, isText, text, type IntegerOptions, type TextOptions } from './text.js';
