import { Injectable, type BeforeApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Cache, CacheModule } from './index.js';

const states: boolean[] = [];

@Injectable()
class StillReads implements OnModuleDestroy, BeforeApplicationShutdown {
  constructor(private readonly cache: Cache) {}

  onModuleDestroy(): void {
    states.push(this.cache.stats().driver.inStep);
  }

  beforeApplicationShutdown(): void {
    states.push(this.cache.stats().driver.inStep);
  }
}

describe('CacheModule', () => {
  it('gives a started cache, which works until requests have drained', async () => {
    const module = await Test.createTestingModule({
      imports: [CacheModule.forRoot()],
      providers: [StillReads],
    }).compile();
    const app = await module.init();
    const cache = app.get(Cache);
    const options = { tags: ['t'], ttlMs: 60_000 };
    expect(await cache.get('k', () => Promise.resolve(1), options)).toBe(1);
    expect(await cache.get('k', () => Promise.resolve(2), options)).toBe(1);
    await app.close();
    expect(states).toEqual([true, true]);
    expect(cache.stats().driver.inStep).toBe(false);
    // Nobody tells it of anything any more, so it keeps nothing.
    expect(await cache.get('k', () => Promise.resolve(3), options)).toBe(3);
  });
});
