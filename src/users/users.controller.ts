import { Body, Controller, Get, Post, Put } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Endpoint } from '@rookery/http';
import { Authenticated, TokenService, Viewer } from '@rookery/security';
import { Shards } from '@rookery/sharding';
import { RegisterUser } from './commands/register-user.js';
import { SignIn } from './commands/sign-in.js';
import { UpdateUser } from './commands/update-user.js';
import * as sql from './data/users.sql.js';
import { usersErrors } from './users.errors.js';
import * as schemas from './users.schemas.js';

const TAGS = ['User and Authentication'];

@Controller()
export class UsersController {
  constructor(
    private readonly shards: Shards,
    private readonly tokens: TokenService,
    private readonly registerUser: RegisterUser,
    private readonly signIn: SignIn,
    private readonly updateUser: UpdateUser,
  ) {}

  @Post('users')
  @Endpoint({
    operationId: 'CreateUser',
    summary: 'Register a new user',
    tags: TAGS,
    responses: { 201: schemas.userResponse, 409: 'A name is taken', 422: 'A field is at fault' },
  })
  async register(@Body({ schema: schemas.newUser }) { user }: { user: schemas.NewUser }) {
    return this.answer(await this.registerUser.run(user));
  }

  @Post('users/login')
  @Endpoint({
    operationId: 'Login',
    summary: 'Sign in',
    tags: TAGS,
    responses: { 200: schemas.userResponse, 401: 'Wrong e-mail or password', 422: 'A field is at fault' },
  })
  async login(@Body({ schema: schemas.login }) { user }: { user: schemas.Login }) {
    return this.answer(await this.signIn.run(user));
  }

  @Get('user')
  @Authenticated()
  @Endpoint({
    operationId: 'GetCurrentUser',
    summary: 'The signed-in user',
    tags: TAGS,
    auth: 'required',
    responses: { 200: schemas.userResponse, 401: 'Not signed in', 422: 'A field is at fault' },
  })
  async current(@Viewer() viewer: Id) {
    const [user] = await this.shards.query<sql.AccountRow>(viewer, sql.account(viewer));
    if (!user) throw usersErrors.create('NO_ACCOUNT');
    return this.answer(user);
  }

  @Put('user')
  @Authenticated()
  @Endpoint({
    operationId: 'UpdateCurrentUser',
    summary: 'Change the signed-in user',
    tags: TAGS,
    auth: 'required',
    responses: {
      200: schemas.userResponse,
      401: 'Not signed in',
      422: 'A field is at fault, or a name is taken',
    },
  })
  async update(
    @Viewer() viewer: Id,
    @Body({ schema: schemas.updateUser }) { user }: { user: schemas.UserChange },
  ) {
    return this.answer(await this.updateUser.run(viewer, user));
  }

  private async answer({ id, email, username, bio, image }: sql.AccountRow) {
    return { user: { email, token: await this.tokens.sign(id), username, bio, image } };
  }
}
