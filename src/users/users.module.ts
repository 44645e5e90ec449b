import { Module } from '@nestjs/common';
import { RegisterUser } from './commands/register-user.js';
import { SignIn } from './commands/sign-in.js';
import { UpdateUser } from './commands/update-user.js';
import { UsersController } from './users.controller.js';
import { UsersFacade } from './users.facade.js';

@Module({
  controllers: [UsersController],
  providers: [RegisterUser, SignIn, UpdateUser, UsersFacade],
  exports: [UsersFacade],
})
export class UsersModule {}
