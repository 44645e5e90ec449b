import { Module } from '@nestjs/common';
import { ArticleDependents, ArticlesModule } from '../articles/index.js';
import { ProfilesModule } from '../profiles/index.js';
import { UsersModule } from '../users/index.js';
import { CommentsController } from './comments.controller.js';
import { Comments } from './comments.service.js';

@Module({
  imports: [ArticlesModule, ProfilesModule, UsersModule],
  controllers: [CommentsController],
  providers: [Comments, { provide: ArticleDependents, useExisting: Comments }],
  exports: [ArticleDependents],
})
export class CommentsModule {}
