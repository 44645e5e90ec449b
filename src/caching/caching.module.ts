import { Injectable, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { Cache, HttpCacheModule } from '@rookery/cache';
import { Events } from '@rookery/events';
import { RawJson } from '@rookery/http';
import { viewerRule } from '@rookery/security';
import { CacheGate, CacheGateOptions } from './cache-gate.js';
import { CacheHelp } from './cache-help.js';
import { invalidateAfter } from './invalidate-after.js';
import { invalidateTags } from './invalidate-tags.js';
import { staleRules } from './stale-rules.js';

const tagsAfter = new Map(staleRules.map(({ event, tags }) => [event.type, tags]));

/** Ends what a write made stale before the write is answered, on every replica. */
@Injectable()
class InvalidateAtOnce implements OnModuleInit {
  constructor(
    private readonly events: Events,
    private readonly cache: Cache,
    private readonly help: CacheHelp,
  ) {}

  onModuleInit(): void {
    this.events.settlement.onCommit((committed) =>
      invalidateTags(
        this.cache,
        committed.flatMap(({ type, data }) => tagsAfter.get(type)?.(data) ?? []),
        this.help,
      ),
    );
  }
}

/** Which of the site's answers are cached is said on its routes; what ends them, in `stale-rules.ts`. */
@Module({})
export class CachingModule {
  static with(options: CacheGateOptions): DynamicModule {
    return {
      module: CachingModule,
      imports: [
        HttpCacheModule.forRootAsync({
          inject: [CacheGate],
          useFactory: (gate: CacheGate) => ({
            readsViewer: (controller, handler) => viewerRule(controller, handler) !== undefined,
            bytesOf: (value) => (value instanceof RawJson ? value.json : undefined),
            enabled: () => gate.isOpen,
          }),
          providers: [CacheGate, { provide: CacheGateOptions, useValue: options }],
        }),
      ],
      controllers: staleRules.map(invalidateAfter),
      providers: [InvalidateAtOnce, CacheHelp, { provide: CacheGateOptions, useValue: options }],
    };
  }
}
