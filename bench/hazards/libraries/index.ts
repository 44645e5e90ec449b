import type { Library } from '../library.js';
import { bentocache } from './bentocache.js';
import { cacheManager, cacheManagerTiered } from './cache-manager.js';
import { nestInterceptor } from './nest-interceptor.js';
import { ours } from './ours.js';

/** In the order of the table's columns; ours is the last. */
export const libraries: readonly Library[] = [
  cacheManager,
  cacheManagerTiered,
  nestInterceptor,
  bentocache,
  ours,
];
