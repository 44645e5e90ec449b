export { tagStatSchema } from './data/tag-stat.schema.js';
export { compareTags, rebuildTags } from './rebuild-tags.js';
export { TAGS } from './tags.cache.js';
export { tagListChanged, tagsEvents } from './tags.events.js';
export { TagsModule } from './tags.module.js';
