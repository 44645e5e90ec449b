import { prepared } from '@rookery/sharding';

/** A comment as JSON without its author and its closing brace. */
const json = `'{"id":' || c.number || ',"createdAt":' || conduit_json(c.created_at) || ',"updatedAt":' || conduit_json(c.updated_at)
  || ',"body":' || conduit_json(c.body) || ',"author":'`;

/** [author, json], newest first; one row of nulls where the article has none, no row where there is no such article. */
export type CommentRow = [authorId: string | null, json: string | null];

export const ofArticle = prepared(
  'comments.of-article',
  `SELECT c.author_id, ${json}
   FROM article a LEFT JOIN comment c ON c.article_id = a.id
   WHERE a.slug = $1 ORDER BY c.number DESC LIMIT $2`,
  'array',
);

export const add = prepared(
  'comments.add',
  `INSERT INTO comment AS c (article_id, number, author_id, body) VALUES ($1, $2, $3, $4) RETURNING ${json}`,
  'array',
);

export const find = prepared(
  'comments.find',
  'SELECT author_id AS "authorId" FROM comment WHERE article_id = $1 AND number = $2 FOR UPDATE',
);

export const remove = prepared(
  'comments.remove',
  'DELETE FROM comment WHERE article_id = $1 AND number = $2',
);

export const removeAll = prepared('comments.remove-all', 'DELETE FROM comment WHERE article_id = $1');
