import {
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { KeySet } from './key-set.js';
import { FixedKeys, KeySource } from './key-source.js';
import { KnownViewers } from './known-viewers.js';
import { PasswordHasher } from './password-hasher.js';
import type { SecurityOptions } from './security.options.js';
import { TokenService } from './token.service.js';
import { ViewerGuard } from './viewer.guard.js';

const OPTIONS = Symbol('rookery.security.options');

export interface SecurityAsyncOptions {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: FactoryProvider<SecurityOptions | Promise<SecurityOptions>>['useFactory'];
}

/**
 * Tokens, passwords and the guard of all routes, for the whole site: import it once, in the composition root.
 * Gives {@link TokenService}, {@link PasswordHasher}, {@link KeySource} and {@link KnownViewers} to be injected anywhere.
 */
@Module({})
export class SecurityModule implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly keys: KeySource) {}

  static forRoot(options: SecurityOptions): DynamicModule {
    return SecurityModule.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: SecurityAsyncOptions): DynamicModule {
    return {
      module: SecurityModule,
      global: true,
      imports,
      providers: [
        { provide: OPTIONS, inject, useFactory },
        {
          provide: KeySource,
          inject: [OPTIONS],
          useFactory: ({ keys }: SecurityOptions) => (keys instanceof KeySet ? new FixedKeys(keys) : keys),
        },
        {
          provide: TokenService,
          inject: [KeySource, OPTIONS],
          useFactory: (keys: KeySource, options: SecurityOptions) => new TokenService(keys, options),
        },
        {
          provide: PasswordHasher,
          inject: [OPTIONS],
          useFactory: ({ passwords, meter }: SecurityOptions) => new PasswordHasher({ ...passwords, meter }),
        },
        {
          provide: APP_GUARD,
          inject: [TokenService, OPTIONS],
          useFactory: (tokens: TokenService, options: SecurityOptions) =>
            new ViewerGuard(tokens, schemesOf(options)),
        },
        {
          provide: KnownViewers,
          inject: [TokenService, OPTIONS],
          useFactory: (tokens: TokenService, options: SecurityOptions) =>
            new KnownViewers(tokens, schemesOf(options)),
        },
      ],
      exports: [KeySource, TokenService, PasswordHasher, KnownViewers],
    };
  }

  onModuleInit(): void {
    this.keys.start();
  }

  // Not onModuleDestroy: requests are still served then.
  async onApplicationShutdown(): Promise<void> {
    await this.keys.stop();
  }
}

function schemesOf({ schemes = [] }: SecurityOptions): [string, ...string[]] {
  const [first = 'Bearer', ...others] = schemes;
  return [first, ...others];
}
