import { Module, type DynamicModule, type ModuleMetadata } from '@nestjs/common';
import { ArticlesModule, SelectArticles } from '../articles/index.js';
import { ProfilesModule } from '../profiles/index.js';
import { UsersModule } from '../users/index.js';
import { ArticlesRpcController } from './articles.rpc.controller.js';
import { ProfilesRpcController } from './profiles.rpc.controller.js';
import { RpcViewer } from './rpc-viewer.js';

/** What other services may ask of the site, by gRPC. */
@Module({})
export class RpcModule {
  /** @param features modules that export the ports FavoritedArticles and TaggedArticles */
  static with(features: NonNullable<ModuleMetadata['imports']>): DynamicModule {
    return {
      module: RpcModule,
      imports: [ArticlesModule, ProfilesModule, UsersModule, ...features],
      controllers: [ArticlesRpcController, ProfilesRpcController],
      providers: [RpcViewer, SelectArticles],
    };
  }
}
