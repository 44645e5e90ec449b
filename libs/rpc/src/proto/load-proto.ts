import { fileURLToPath } from 'node:url';
import {
  loadSync,
  type MethodDefinition,
  type Options,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';
import { rpcErrors } from '../rpc.errors.js';

export type { MethodDefinition, PackageDefinition, ServiceDefinition };

/** Names as in TypeScript, enums and 64-bit numbers as text, and every field there: no caller checks for undefined. */
const OPTIONS: Options = {
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
  oneofs: true,
};

/** @throws RK_RPC_BAD_PROTO */
export function loadProto(file: string | URL, includeDirs: readonly string[] = []): PackageDefinition {
  const path = file instanceof URL ? fileURLToPath(file) : file;
  try {
    return loadSync(path, { ...OPTIONS, includeDirs: [...includeDirs] });
  } catch (cause) {
    throw rpcErrors.create('BAD_PROTO', {
      data: { reason: `${path}: ${cause instanceof Error ? cause.message : String(cause)}` },
      cause,
    });
  }
}

/** `conduit.v1.Articles` of a definition. @throws RK_RPC_BAD_PROTO */
export function serviceOf(proto: PackageDefinition, name: string): ServiceDefinition {
  const found = proto[name];
  if (found === undefined || isMessage(found)) {
    throw rpcErrors.create('BAD_PROTO', { data: { reason: `it has no service ${name}` } });
  }
  return found as ServiceDefinition;
}

/** Full names of all services of a definition. */
export function serviceNames(proto: PackageDefinition): string[] {
  return Object.keys(proto).filter((name) => !isMessage(proto[name]!));
}

function isMessage(definition: PackageDefinition[string]): boolean {
  return 'format' in definition && typeof definition.format === 'string';
}
