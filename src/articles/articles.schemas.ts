import { z } from 'zod';
import { integerParameter, text } from '@rookery/http';
import { profile } from '../profiles/index.js';

/** Largest offset: beyond it a list is walked by other means than counting rows. */
export const MAX_OFFSET = 10_000;
const MAX_TAGS = 100;

const notBlank = (value: string): boolean => value.trim() !== '';
const filled = (max: number) => text({ max }).refine(notBlank, { error: "can't be blank" });

const tag = filled(100);
const tagList = z
  .array(tag)
  .max(MAX_TAGS)
  // Order as sent; a tag named twice is one tag.
  .transform((tags) => [...new Set(tags)]);

export const newArticle = z
  .object({
    article: z.object({
      title: filled(500),
      description: filled(10_000),
      body: filled(1_000_000),
      tagList: tagList.optional(),
    }),
  })
  .meta({
    id: 'NewArticleRequest',
    example: {
      article: { title: 'On nests', description: 'Of twigs', body: 'Twigs, mostly.', tagList: ['birds'] },
    },
  });
export type NewArticle = z.infer<typeof newArticle>['article'];

export const updateArticle = z
  .object({
    article: z.object({
      title: filled(500).optional(),
      description: filled(10_000).optional(),
      body: filled(1_000_000).optional(),
      tagList: tagList.optional(),
    }),
  })
  .meta({ id: 'UpdateArticleRequest', example: { article: { body: 'Twigs, and some straw.' } } });
export type ArticleChange = z.infer<typeof updateArticle>['article'];

export const page = {
  limit: integerParameter({ min: 1, max: 100 })
    .optional()
    .meta({ description: 'How many at most; 20 if absent' }),
  offset: integerParameter({ min: 0, max: MAX_OFFSET })
    .optional()
    .meta({ description: 'How many to pass over' }),
};
export const pageQuery = z.object(page);
export const listQuery = z.object({
  tag: text().optional().meta({ description: 'Those that carry this tag' }),
  author: text().optional().meta({ description: 'Those by the user of this name' }),
  favorited: text().optional().meta({ description: 'Those that the user of this name has favorited' }),
  ...page,
});
export type ListQuery = z.infer<typeof listQuery>;

const listed = {
  slug: z.string(),
  title: z.string(),
  description: z.string(),
  tagList: z.array(z.string()),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  favorited: z.boolean(),
  favoritesCount: z.number().int().meta({ example: 1 }),
  author: profile,
};

export const articleResponse = z
  .object({ article: z.object({ ...listed, body: z.string() }) })
  .meta({ id: 'SingleArticleResponse', description: 'An article' });

export const articlesResponse = z
  .object({ articles: z.array(z.object(listed)), articlesCount: z.number().int().meta({ example: 1 }) })
  .meta({ id: 'MultipleArticlesResponse', description: 'Articles, newest first, without their bodies' });
