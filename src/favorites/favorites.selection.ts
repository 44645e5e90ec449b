import { Injectable } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { FavoritedArticles, type Selection } from '../articles/index.js';

/** The favorited list of a user, in the user's slot; what else narrows it is asked beside the articles. */
@Injectable()
export class FavoritesSelection extends FavoritedArticles {
  override favoritedBy(user: Id): Selection {
    return {
      name: 'favorited',
      ids: 'SELECT article_id AS id FROM favorited WHERE user_id = $1 ORDER BY user_id DESC, article_id DESC',
      count: 'SELECT coalesce((SELECT articles FROM favorited_stat WHERE user_id = $1), 0)',
      values: [user],
      arity: 1,
      listedAt: user,
      beside: {
        name: 'favorite',
        ids: 'SELECT article_id AS id FROM favorite WHERE user_id = $1 ORDER BY user_id, article_id DESC',
        count: 'SELECT count(*)::int FROM favorite WHERE user_id = $1',
        values: [user],
        arity: 1,
      },
    };
  }
}
