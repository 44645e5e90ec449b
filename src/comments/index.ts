export { commentsTag } from './comments.cache.js';
export { commentAdded, commentRemoved, commentsEvents } from './comments.events.js';
export { commentsErrors } from './comments.errors.js';
export { CommentsModule } from './comments.module.js';
export { commentsSchema } from './data/comments.schema.js';
