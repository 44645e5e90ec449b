import { Injectable } from '@nestjs/common';
import { UsersFacade } from '../../users/index.js';
import { FavoritedArticles, TaggedArticles } from '../articles-list.ports.js';
import { narrowed } from './narrowed.js';
import { byAuthor, everything, type Selection } from './selection.js';

/** What a list may be narrowed to; all of it must hold. */
export interface ArticleFilters {
  readonly tag?: string | undefined;
  /** By name, as `favorited`. */
  readonly author?: string | undefined;
  readonly favorited?: string | undefined;
}

/** Makes a selection of what a caller asks for. */
@Injectable()
export class SelectArticles {
  constructor(
    private readonly users: UsersFacade,
    private readonly favorited: FavoritedArticles,
    private readonly tagged: TaggedArticles,
  ) {}

  /** `undefined` where a filter names a user who does not exist: then nothing is selected. */
  async by({ author, favorited, tag }: ArticleFilters): Promise<Selection | undefined> {
    const [writer, fan] = await Promise.all([
      author === undefined ? undefined : this.users.byUsername(author),
      favorited === undefined ? undefined : this.users.byUsername(favorited),
    ]);
    if ((author !== undefined && !writer) || (favorited !== undefined && !fan)) return undefined;
    const selections: Selection[] = [];
    if (fan) selections.push(this.favorited.favoritedBy(fan.id));
    if (writer) selections.push(byAuthor(writer.id));
    if (tag !== undefined) selections.push(this.tagged.tagged(tag));
    const [first, ...others] = selections;
    if (!first) return everything;
    return others.length === 0 ? first : narrowed(first, ...others);
  }
}
