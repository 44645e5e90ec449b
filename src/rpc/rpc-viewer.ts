import { Injectable } from '@nestjs/common';
import { currentContext, type Id } from '@rookery/kernel';
import { securityErrors, TokenService } from '@rookery/security';

const AUTHORIZATION = /^(?:token|bearer) +(\S+)$/i;

/** Metadata of a call, as far as it matters here. */
export interface CallMetadata {
  get(name: string): readonly unknown[];
}

/** On whose behalf a service calls: who the token in the metadata was given to. */
@Injectable()
export class RpcViewer {
  constructor(private readonly tokens: TokenService) {}

  /** `undefined` without a token; a bad or expired one counts as none, as it does for what HTTP lets anybody read. */
  async of(metadata: CallMetadata): Promise<Id | undefined> {
    const [given] = metadata.get('authorization');
    const token = typeof given === 'string' ? AUTHORIZATION.exec(given)?.[1] : undefined;
    if (token === undefined) return undefined;
    try {
      const { subject } = this.tokens.peek(token) ?? (await this.tokens.verify(token));
      const context = currentContext();
      if (context) context.viewerId = subject;
      return subject;
    } catch (error) {
      if (securityErrors.is(error, 'TOKEN_INVALID')) return undefined;
      throw error;
    }
  }
}
