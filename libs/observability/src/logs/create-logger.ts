import { hostname } from 'node:os';
import { pino, type LoggerOptions as PinoOptions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { HEALTH_ROUTES } from '../health/health-routes.js';
import type { LogDestination, LoggerOptions } from '../observability.options.js';
import { standardOutput } from './destination.js';
import { Redaction } from './redaction.js';
import { RookeryLogger } from './rookery-logger.js';
import { ECS_VERSION, ecsShape, prettyShape } from './shapes.js';

const DEFAULT_BUFFER = 16 * 1024 * 1024;

/** Makes the one logger of a process. */
export function createLogger(options: LoggerOptions): RookeryLogger {
  const { level = 'info', format, service, quietRoutes = HEALTH_ROUTES, redact = [] } = options;
  const destination =
    options.destination ??
    standardOutput(options.maxBufferedBytes ?? DEFAULT_BUFFER, (dropped) =>
      logger.warn(`${dropped} log lines were dropped: standard output was not read`, 'Logger'),
    );
  const pretty = format === 'pretty';
  const settings = pretty ? prettySettings : ecsSettings(options);
  const lines = pino({ ...settings, level }, pretty ? prettified(destination, options.colors) : destination);
  const logger = new RookeryLogger(
    lines,
    lines.child({}, { level: 'info' }),
    destination,
    pretty ? prettyShape : ecsShape(service),
    new Redaction(redact),
    new Set(quietRoutes),
    pretty,
  );
  return logger;
}

function ecsSettings(options: LoggerOptions): PinoOptions {
  return {
    messageKey: 'message',
    timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ 'log.level': label }) },
    base: {
      'ecs.version': ECS_VERSION,
      'service.name': options.service,
      'service.version': options.serviceVersion,
      'service.node.name': options.replicaId,
      'process.pid': process.pid,
      'host.hostname': hostname(),
    },
  };
}

/** pino-pretty expects pino's own names. */
const prettySettings: PinoOptions = { base: null };

/** pino-pretty in this process and synchronous, so that lines keep their order, the last one included. */
function prettified(destination: LogDestination, colors: boolean | undefined): LogDestination {
  const format = prettyFactory({
    colorize: colors ?? process.stdout.isTTY === true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'context,stack',
    singleLine: true,
    messageFormat: (log, messageKey, _label, { colors: paint }) => {
      const message = typeof log[messageKey] === 'string' ? log[messageKey] : '';
      return typeof log['context'] === 'string'
        ? `${paint.yellow(`[${log['context']}]`)} ${message}`
        : message;
    },
  });
  return {
    write: (line) => {
      const record = JSON.parse(line) as Record<string, unknown>;
      const stack = typeof record['stack'] === 'string' ? record['stack'] : '';
      // Below the line and as it is; pino-pretty would show it as one more member.
      const below = stack === '' ? '' : `${stack.replace(/^/gm, '    ')}\n`;
      return destination.write(format(record) + below);
    },
  };
}
