export { favoritedSchema } from './data/favorited.schema.js';
export { favoritedModel } from './favorited.model.js';
export { articleFavorited, articleUnfavorited, favoritesEvents } from './favorites.events.js';
export { FavoritesModule } from './favorites.module.js';
