/** Conduit's bodies as its contract names them. Written by hand: the tests must not agree with the site by sharing its types. */
export interface User {
  readonly username: string;
  readonly email: string;
  readonly token: string;
  readonly bio: string | null;
  readonly image: string | null;
}

export interface Profile {
  readonly username: string;
  readonly bio: string | null;
  readonly image: string | null;
  readonly following: boolean;
}

export interface ArticleItem {
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  readonly tagList: readonly string[];
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly favorited: boolean;
  readonly favoritesCount: number;
  readonly author: Profile;
}

export interface Article extends ArticleItem {
  readonly body: string;
}

export interface Comment {
  readonly id: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly body: string;
  readonly author: Profile;
}

export type Errors = Readonly<Record<string, readonly string[]>>;

/** Everything an answer may carry at its top; what of it is there is told by the operation and the status. */
export interface Bodies {
  readonly user: User;
  readonly profile: Profile;
  readonly article: Article;
  readonly articles: readonly ArticleItem[];
  readonly articlesCount: number;
  readonly comment: Comment;
  readonly comments: readonly Comment[];
  readonly tags: readonly string[];
  readonly errors: Errors;
}
