import { Module } from '@nestjs/common';
import { UsersModule } from '../users/index.js';
import { ProfilesController } from './profiles.controller.js';
import { ProfilesFacade } from './profiles.facade.js';

@Module({
  imports: [UsersModule],
  controllers: [ProfilesController],
  providers: [ProfilesFacade],
  exports: [ProfilesFacade],
})
export class ProfilesModule {}
