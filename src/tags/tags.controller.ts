import { Controller, Get } from '@nestjs/common';
import { Cached } from '@rookery/cache';
import { Endpoint } from '@rookery/http';
import { compareText, Shards } from '@rookery/sharding';
import { z } from 'zod';
import * as sql from './data/tags.sql.js';
import { TAGS } from './tags.cache.js';

const tagsResponse = z
  .object({ tags: z.array(z.string()) })
  .meta({ id: 'TagsResponse', description: 'Tags, sorted' });

@Controller('tags')
export class TagsController {
  constructor(private readonly shards: Shards) {}

  @Get()
  @Cached({ tags: () => [TAGS], early: true, ttlMs: 300_000, staleMs: 60_000 })
  @Endpoint({
    operationId: 'GetTags',
    summary: 'Every tag that an article carries',
    tags: ['Tags'],
    responses: { 200: tagsResponse, 422: 'A field is at fault' },
  })
  async list() {
    const lists = await this.shards.scatter<[string]>(sql.all());
    // Each tag is in one slot, so on one shard.
    const tags = lists.flat().map(([tag]) => tag);
    return { tags: tags.sort(compareText) };
  }
}
