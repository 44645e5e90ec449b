import { Controller, Get, Module } from '@nestjs/common';
import { Cache, Cached, CacheModule, EarlyIndex, HttpCacheModule } from '@rookery/cache';
import { answerEarly, createHttpApplication } from '@rookery/http';
import { newId } from '@rookery/kernel';
import {
  FixedKeys,
  KeySet,
  KnownViewers,
  OptionalViewer,
  SecurityModule,
  TokenService,
  Viewer,
  viewerRule,
} from '@rookery/security';
import { TTL_MS, type Library } from '../library.js';

@Controller()
class Pages {
  @Get('me')
  @OptionalViewer()
  @Cached({ tags: () => ['me'], viewer: true, early: true, ttlMs: TTL_MS })
  me(@Viewer() viewer: string | undefined): unknown {
    return { viewer };
  }
}

/** Memory, Redis behind it, and @Cached pages. */
export const ours: Library = {
  name: '@rookery/cache',
  open: async (redisUrl) => {
    const keys = await KeySet.fromSecret('a secret for hazards, of 32 characters!');
    @Module({
      imports: [
        // A process that has just started, on a machine that does other things as well, is not always there within 50 ms.
        CacheModule.forRoot({ redisUrl, deadlineMs: 250 }),
        HttpCacheModule.forRoot({
          readsViewer: (controller, handler) => viewerRule(controller, handler) !== undefined,
        }),
        SecurityModule.forRoot({ keys: new FixedKeys(keys) }),
      ],
      controllers: [Pages],
    })
    class Site {}

    const app = await createHttpApplication(Site, {});
    const [early, viewers] = [
      app.get(EarlyIndex, { strict: false }),
      app.get(KnownViewers, { strict: false }),
    ];
    answerEarly(app, early.find, viewers.of);
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const tokens = app.get(TokenService, { strict: false });
    const cache = app.get(Cache, { strict: false });
    const viewerOf = async (token: string): Promise<unknown> => {
      const answer = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } });
      return ((await answer.json()) as Record<string, unknown>)['viewer'];
    };
    return {
      read: (key, load) => cache.get(key, load, { tags: [key], ttlMs: TTL_MS, negativeTtlMs: TTL_MS }),
      invalidate: (key) => cache.invalidate([key]),
      reset: () => cache.invalidateAll(),
      secondViewerGetsOwnPage: async () => {
        const [ann, bob] = [newId(0), newId(1)];
        const [annsToken, bobsToken] = await Promise.all([tokens.sign(ann), tokens.sign(bob)]);
        // The second time each comes from memory, and before the router.
        for (let time = 0; time < 2; time++) {
          if ((await viewerOf(annsToken)) !== ann || (await viewerOf(bobsToken)) !== bob) return false;
        }
        return true;
      },
    };
  },
};
