import { Module, type DynamicModule } from '@nestjs/common';
import { ArticlesModule } from '../articles/index.js';
import { FanOut } from './fan-out.js';
import { FeedController } from './feed.controller.js';
import { FeedOptions } from './feed.options.js';
import { OnArticleDeleted } from './handlers/on-article-deleted.js';
import { OnArticlePublished } from './handlers/on-article-published.js';
import { OnBackfill } from './handlers/on-backfill.js';
import { OnFeedAdded } from './handlers/on-feed-added.js';
import { OnFeedLeft } from './handlers/on-feed-left.js';
import { OnFeedPulled } from './handlers/on-feed-pulled.js';
import { OnFeedRemoved } from './handlers/on-feed-removed.js';
import { OnFollowed } from './handlers/on-followed.js';
import { OnUnfollowed } from './handlers/on-unfollowed.js';
import { ReadFeed } from './queries/read-feed.js';

const handlers = [
  OnFollowed,
  OnUnfollowed,
  OnBackfill,
  OnArticlePublished,
  OnArticleDeleted,
  OnFeedAdded,
  OnFeedRemoved,
  OnFeedLeft,
  OnFeedPulled,
];

@Module({})
export class FeedModule {
  static with(options: FeedOptions): DynamicModule {
    return {
      module: FeedModule,
      imports: [ArticlesModule],
      controllers: [FeedController, ...handlers],
      providers: [ReadFeed, FanOut, { provide: FeedOptions, useValue: options }],
    };
  }
}
