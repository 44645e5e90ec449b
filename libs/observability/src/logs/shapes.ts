import type { LogRecord } from './rookery-logger.js';

/** https://www.elastic.co/guide/en/ecs/8.11 ; what is ours and not in the schema stands under `rookery`. */
export const ECS_VERSION = '8.11.0';

export function ecsShape(service: string): (record: LogRecord) => Record<string, unknown> {
  const accessDataset = `${service}.access`;
  return ({ context, requestId, traceId, viewerId, error, fields, access }) => {
    const line: Record<string, unknown> = {
      'log.logger': context,
      'http.request.id': requestId,
      'trace.id': traceId,
      'user.id': viewerId,
    };
    if (error !== undefined) {
      line['error.type'] = error.type;
      line['error.message'] = error.message;
      line['error.stack_trace'] = error.stack === '' ? undefined : error.stack;
      line['error.code'] = error.code;
    }
    if (access !== undefined) {
      line['event.dataset'] = accessDataset;
      line['event.duration'] = Math.round(access.durationMs * 1e6);
      line['http.request.method'] = access.method;
      line['http.route'] = access.route;
      line['http.response.status_code'] = access.status;
      line['http.response.body.bytes'] = access.bytes;
      line['url.path'] = access.path;
      line['client.ip'] = access.address;
      line['error.code'] = access.code;
      line['user_agent.original'] = access.userAgent;
    }
    if (fields !== undefined || error?.data !== undefined) {
      line['rookery'] = error?.data === undefined ? fields : { ...Object(fields), error: error.data };
    }
    return line;
  };
}

export function prettyShape({
  context,
  requestId,
  error,
  fields,
  access,
}: LogRecord): Record<string, unknown> {
  return {
    ...besideReserved(fields),
    ...(error?.data === undefined ? undefined : { data: error.data }),
    context: access === undefined ? context : 'Access',
    requestId,
    durationMs: access === undefined ? undefined : Math.round(access.durationMs * 10) / 10,
    code: error?.code ?? access?.code,
    stack: error?.stack,
  };
}

const RESERVED = new Set([
  'level',
  'time',
  'msg',
  'context',
  'requestId',
  'durationMs',
  'code',
  'stack',
  'data',
]);

/** Fields whose names do not collide with those of the line itself. */
function besideReserved(fields: unknown): Record<string, unknown> {
  if (typeof fields !== 'object' || fields === null) return {};
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [RESERVED.has(name) ? `${name}_` : name, value]),
  );
}
