export { profilesSchema } from './data/profiles.schema.js';
export { profileFollowed, profilesEvents, profileUnfollowed } from './profiles.events.js';
export { profilesErrors } from './profiles.errors.js';
export { ProfilesFacade } from './profiles.facade.js';
export { ProfilesModule } from './profiles.module.js';
export { profile } from './profiles.schemas.js';
