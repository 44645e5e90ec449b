import { CACHE_MANAGER, CacheInterceptor } from '@nestjs/cache-manager';
import { Controller, Get, Headers, Module, Param, UseInterceptors } from '@nestjs/common';
import { createHttpApplication } from '@rookery/http';
import { caching } from 'cache-manager';
import { redisStore } from 'cache-manager-redis-yet';
import { TTL_MS, type Library, type Load } from '../library.js';

/** The stock interceptor of Nest on a cache in Redis. */
export const nestInterceptor: Library = {
  name: '@nestjs/cache-manager',
  open: async (redisUrl) => {
    const cache = await caching(await redisStore({ url: redisUrl, ttl: TTL_MS }));
    const loads = new Map<string, Load>();

    @Controller()
    @UseInterceptors(CacheInterceptor)
    class Pages {
      @Get('value/:key')
      async value(@Param('key') key: string): Promise<unknown> {
        return { value: await loads.get(key)!() };
      }

      @Get('me')
      me(@Headers('authorization') viewer: string): unknown {
        return { viewer };
      }
    }
    @Module({ controllers: [Pages], providers: [{ provide: CACHE_MANAGER, useValue: cache }] })
    class PagesModule {}

    const app = await createHttpApplication(PagesModule, { deadlineMs: 60_000 });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const page = async (path: string, viewer?: string): Promise<Record<string, unknown>> => {
      const answer = await fetch(
        url + path,
        viewer === undefined ? {} : { headers: { authorization: viewer } },
      );
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      return (await answer.json()) as Record<string, unknown>;
    };
    return {
      read: async (key, load) => {
        loads.set(key, load);
        return (await page(`/value/${key}`))['value'];
      },
      invalidate: (key) => cache.del(`/value/${key}`),
      reset: () => cache.reset(),
      secondViewerGetsOwnPage: async () => {
        await page('/me', 'ann');
        return (await page('/me', 'bob'))['viewer'] === 'bob';
      },
    };
  },
};
