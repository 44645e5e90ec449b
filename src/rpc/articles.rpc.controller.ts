import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { text, type RawJson } from '@rookery/http';
import { z } from 'zod';
import {
  ArticlePages,
  ArticlesFacade,
  SelectArticles,
  type articleResponse,
  type articlesResponse,
} from '../articles/index.js';
import { checked } from './checked.js';
import { articleMessage, type ArticleMessage } from './messages.js';
import { offsetOf, pageToken } from './page-token.js';
import { RpcViewer, type CallMetadata } from './rpc-viewer.js';

const bySlug = z.object({ slug: text() });
const filter = text().transform((value) => (value === '' ? undefined : value));
const page = z.object({
  tag: filter,
  author: filter,
  favorited: filter,
  pageSize: z.number().int().min(0).max(100),
  pageToken: z.string().max(64),
});

interface ListArticlesResponse {
  readonly articles: readonly ArticleMessage[];
  readonly nextPageToken: string;
  readonly totalSize: number;
}

@Controller()
export class ArticlesRpcController {
  constructor(
    private readonly articles: ArticlesFacade,
    private readonly pages: ArticlePages,
    private readonly selectArticles: SelectArticles,
    private readonly viewer: RpcViewer,
  ) {}

  @GrpcMethod('Articles', 'GetArticle')
  async get(request: unknown, metadata: CallMetadata): Promise<ArticleMessage> {
    const { slug } = checked(bySlug, request);
    const answer = await this.articles.show(slug, await this.viewer.of(metadata));
    return articleMessage(parsed<z.output<typeof articleResponse>>(answer).article);
  }

  @GrpcMethod('Articles', 'ListArticles')
  async list(request: unknown, metadata: CallMetadata): Promise<ListArticlesResponse> {
    const { pageSize, pageToken: token, ...filters } = checked(page, request);
    const limit = pageSize === 0 ? 20 : pageSize;
    const offset = offsetOf(token);
    const [selection, viewer] = await Promise.all([
      this.selectArticles.by(filters),
      this.viewer.of(metadata),
    ]);
    if (!selection) return { articles: [], nextPageToken: '', totalSize: 0 };
    const answer = await this.pages.read(selection, viewer, { limit, offset });
    const { articles, articlesCount } = parsed<z.output<typeof articlesResponse>>(answer);
    return {
      articles: articles.map(articleMessage),
      nextPageToken: pageToken(offset + limit, articlesCount),
      totalSize: articlesCount,
    };
  }
}

/** What PostgreSQL built for HTTP is the one form in which the features tell of an article. */
function parsed<T>({ json }: RawJson): T {
  return JSON.parse(String(json)) as T;
}
