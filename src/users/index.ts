export { PEOPLE, seenBy, viewerTag } from './users.cache.js';
export { userChanged, usersEvents } from './users.events.js';
export { UserEntity } from './data/user.entity.js';
export { usersSchema } from './data/users.schema.js';
export { usersErrors } from './users.errors.js';
export { UsersFacade, type UserCard } from './users.facade.js';
export { UsersModule } from './users.module.js';
