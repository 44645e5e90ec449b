import { Controller, Delete, Get, Param, Post } from '@nestjs/common';
import type { Id } from '@rookery/kernel';
import { Cached } from '@rookery/cache';
import { Endpoint, RawJson, text } from '@rookery/http';
import { Authenticated, OptionalViewer, Viewer } from '@rookery/security';
import { Shards } from '@rookery/sharding';
import { seenBy, UsersFacade, type UserCard } from '../users/index.js';
import * as sql from './data/profiles.sql.js';
import { ProfilesFacade } from './profiles.facade.js';
import { profilesErrors } from './profiles.errors.js';
import { profileFollowed, profileUnfollowed } from './profiles.events.js';
import { profileResponse } from './profiles.schemas.js';

const TAGS = ['Profile'];
const name = { schema: text() };

@Controller('profiles/:username')
export class ProfilesController {
  constructor(
    private readonly shards: Shards,
    private readonly users: UsersFacade,
    private readonly profiles: ProfilesFacade,
  ) {}

  @Get()
  @OptionalViewer()
  @Cached({
    tags: ({ viewer }) => seenBy(viewer),
    viewer: true,
    early: true,
    ttlMs: 300_000,
    staleMs: 60_000,
  })
  @Endpoint({
    operationId: 'GetProfileByUsername',
    summary: 'The profile of a user',
    tags: TAGS,
    auth: 'optional',
    responses: {
      200: profileResponse,
      401: 'Never: here, a bad token is treated as none',
      404: 'No such user',
      422: 'A field is at fault',
    },
  })
  async show(@Viewer() viewer: Id | undefined, @Param('username', name) username: string) {
    const user = await this.mustFind(username);
    const followed = await this.profiles.followedAmong(viewer, [user.id]);
    return answer(user, followed.has(user.id));
  }

  @Post('follow')
  @Authenticated()
  @Endpoint({
    operationId: 'FollowUserByUsername',
    summary: 'Follow a user',
    tags: TAGS,
    auth: 'required',
    responses: {
      200: profileResponse,
      401: 'Not signed in',
      404: 'No such user',
      422: 'A field is at fault',
    },
  })
  async follow(@Viewer() viewer: Id, @Param('username', name) username: string) {
    const user = await this.mustFind(username);
    await this.shards.transaction(viewer, async (tx) => {
      const { rowCount } = await tx.execute(sql.follow(viewer, user.id));
      if (rowCount > 0) tx.publish(profileFollowed({ follower: viewer, followee: user.id }));
    });
    return answer(user, true);
  }

  @Delete('follow')
  @Authenticated()
  @Endpoint({
    operationId: 'UnfollowUserByUsername',
    summary: 'Unfollow a user',
    tags: TAGS,
    auth: 'required',
    responses: {
      200: profileResponse,
      401: 'Not signed in',
      404: 'No such user',
      422: 'A field is at fault',
    },
  })
  async unfollow(@Viewer() viewer: Id, @Param('username', name) username: string) {
    const user = await this.mustFind(username);
    await this.shards.transaction(viewer, async (tx) => {
      const { rowCount } = await tx.execute(sql.unfollow(viewer, user.id));
      if (rowCount > 0) tx.publish(profileUnfollowed({ follower: viewer, followee: user.id }));
    });
    return answer(user, false);
  }

  private async mustFind(username: string): Promise<UserCard> {
    const user = await this.users.byUsername(username);
    if (!user) throw profilesErrors.create('NOT_FOUND');
    return user;
  }
}

function answer({ card }: UserCard, following: boolean): RawJson {
  return new RawJson(`{"profile":${card},"following":${following}}}`);
}
