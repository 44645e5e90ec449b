import { Module, type DynamicModule } from '@nestjs/common';
import type { About } from './about.js';
import { ABOUT, StartController } from './start.controller.js';

@Module({})
export class StartModule {
  static with(about: About): DynamicModule {
    return {
      module: StartModule,
      controllers: [StartController],
      providers: [{ provide: ABOUT, useValue: about }],
    };
  }
}
