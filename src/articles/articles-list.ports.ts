import type { Id } from '@rookery/kernel';
import type { Selection } from './queries/selection.js';

/**
 * Ports of the features that select articles by something of their own. They are declared here and bound in the
 * composition root, since those features stand on this one.
 */
export abstract class FavoritedArticles {
  /** What `user` has favorited. */
  abstract favoritedBy(user: Id): Selection;
}

export abstract class TaggedArticles {
  /** What carries `tag`. */
  abstract tagged(tag: string): Selection;
}
