import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { text } from '@rookery/http';
import { z } from 'zod';
import { ProfilesFacade, profilesErrors, type profile } from '../profiles/index.js';
import { UsersFacade } from '../users/index.js';
import { checked } from './checked.js';
import { profileMessage, type ProfileMessage } from './messages.js';
import { RpcViewer, type CallMetadata } from './rpc-viewer.js';

const byName = z.object({ username: text() });

@Controller()
export class ProfilesRpcController {
  constructor(
    private readonly users: UsersFacade,
    private readonly profiles: ProfilesFacade,
    private readonly viewer: RpcViewer,
  ) {}

  @GrpcMethod('Profiles', 'GetProfile')
  async get(request: unknown, metadata: CallMetadata): Promise<ProfileMessage> {
    const { username } = checked(byName, request);
    const viewer = await this.viewer.of(metadata);
    const user = await this.users.byUsername(username);
    if (!user) throw profilesErrors.create('NOT_FOUND');
    const followed = await this.profiles.followedAmong(viewer, [user.id]);
    const card = JSON.parse(`${user.card}}`) as Omit<z.output<typeof profile>, 'following'>;
    return profileMessage({ ...card, following: followed.has(user.id) });
  }
}
