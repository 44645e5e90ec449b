import { Module } from '@nestjs/common';
import { TaggedArticles } from '../articles/index.js';
import { OnTagged } from './handlers/on-tagged.js';
import { OnUntagged } from './handlers/on-untagged.js';
import { TagsController } from './tags.controller.js';
import { TagsSelection } from './tags.selection.js';

@Module({
  controllers: [TagsController, OnTagged, OnUntagged],
  providers: [{ provide: TaggedArticles, useClass: TagsSelection }],
  exports: [TaggedArticles],
})
export class TagsModule {}
