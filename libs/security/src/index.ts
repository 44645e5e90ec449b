export { authorize, defineAbilities, type Abilities, type AddRule, type SubjectTypes } from './abilities.js';
export { KeySet, type TokenKey } from './key-set.js';
export { FixedKeys, KeySource } from './key-source.js';
export type { KeyDefinition, KeysDocument, TokenAlgorithm } from './keys-document.js';
export { KeysFile, type KeysFileOptions } from './keys-file.js';
export { KnownViewers } from './known-viewers.js';
export { loadKeys, type LoadKeysOptions } from './load-keys.js';
export { PasswordHasher } from './password-hasher.js';
export { securityErrors } from './security.errors.js';
export { SecurityModule, type SecurityAsyncOptions } from './security.module.js';
export {
  MAX_TOKEN_LENGTH,
  type PasswordOptions,
  type SecurityOptions,
  type TokenOptions,
} from './security.options.js';
export { TokenService, type ExtraClaims, type TokenFault, type Verified } from './token.service.js';
export { Authenticated, OptionalViewer, Viewer, viewerRule, type ViewerRule } from './viewer.decorators.js';
export { ViewerGuard } from './viewer.guard.js';
