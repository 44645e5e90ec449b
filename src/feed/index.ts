export { feedSchema } from './data/feed.schema.js';
export { feedEvents } from './feed.events.js';
export { FAN_OUT_MAX } from './feed.options.js';
export { FeedModule } from './feed.module.js';
export { compareFeeds, fillFeeds, rebuildFeeds } from './rebuild-feed.js';
