import type { Id } from '@rookery/kernel';
import { defineAbilities } from '@rookery/security';

/** What a viewer may do with an article: its author may change and delete it. */
export function articleAbilities(viewer: Id) {
  return defineAbilities<'update' | 'delete', { article: { authorId: Id } }>(({ can }) => {
    can(['update', 'delete'], 'article', { authorId: viewer });
  });
}
