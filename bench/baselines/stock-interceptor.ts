/**
 * What `hit` is compared with beside node:http: the same kind of site with the stock interceptor of @nestjs/cache-manager in
 * front of a handler that gives the same value, out of cache-manager's memory. It is keyed by URL alone.
 */
import { readFile } from 'node:fs/promises';
import { CACHE_MANAGER, CacheInterceptor } from '@nestjs/cache-manager';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { createHttpApplication } from '@rookery/http';
import { createLogger, PrometheusMeter } from '@rookery/observability';
import { caching } from 'cache-manager';
import type { Recorded } from '../recorded.js';

const MANY = 10_000;
const { body } = JSON.parse(await readFile(process.argv[2]!, 'utf8')) as Recorded;
const value: unknown = JSON.parse(Buffer.from(body, 'base64').toString());
const cache = await caching('memory', { max: MANY, ttl: 3_600_000 });

@Controller()
class AnyController {
  @Get('*')
  any(): unknown {
    return value;
  }
}

@Module({
  controllers: [AnyController],
  providers: [
    { provide: CACHE_MANAGER, useValue: cache },
    { provide: APP_INTERCEPTOR, useClass: CacheInterceptor },
  ],
})
class StockModule {}

const logger = createLogger({ service: 'stock', replicaId: 'stock', level: 'warn', format: 'ecs' });
const app = await createHttpApplication(StockModule, {
  meter: new PrometheusMeter(),
  onRequestDone: (done) => logger.access(done),
  globalPrefix: 'api',
});
await app.listen(0, '127.0.0.1');
process.stdout.write(`stock on ${await app.getUrl()}/api\n`);
process.once('SIGTERM', () => void app.close());
