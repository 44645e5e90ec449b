import type { z } from 'zod';
import type { articleResponse, articlesResponse } from '../articles/index.js';
import type { profile } from '../profiles/index.js';

type Timestamp = { readonly seconds: number; readonly nanos: number };
type ProfileJson = z.output<typeof profile>;
type ArticleJson =
  z.output<typeof articleResponse>['article'] | z.output<typeof articlesResponse>['articles'][number];

/** `conduit.v1.Profile`; what is null in JSON is not there. */
export interface ProfileMessage {
  readonly username: string;
  readonly bio?: string;
  readonly image?: string;
  readonly following: boolean;
}

/** `conduit.v1.Article` */
export interface ArticleMessage {
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  readonly body?: string;
  readonly tags: readonly string[];
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly favorited: boolean;
  readonly favoritesCount: number;
  readonly author: ProfileMessage;
}

export function profileMessage({ username, bio, image, following }: ProfileJson): ProfileMessage {
  return {
    username,
    following,
    ...(bio === null ? {} : { bio }),
    ...(image === null ? {} : { image }),
  };
}

export function articleMessage(article: ArticleJson): ArticleMessage {
  const { slug, title, description, tagList, createdAt, updatedAt, favorited, favoritesCount, author } =
    article;
  return {
    slug,
    title,
    description,
    ...('body' in article ? { body: article.body } : {}),
    tags: tagList,
    createdAt: timestamp(createdAt),
    updatedAt: timestamp(updatedAt),
    favorited,
    favoritesCount,
    author: profileMessage(author),
  };
}

function timestamp(text: string): Timestamp {
  const at = Date.parse(text);
  const seconds = Math.floor(at / 1000);
  return { seconds, nanos: (at - seconds * 1000) * 1_000_000 };
}
