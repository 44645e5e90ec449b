import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadProto, type PackageDefinition } from '../proto/load-proto.js';
import type { UnaryMethod } from '../client/rpc-client.options.js';

const TEXT = `
syntax = "proto3";
package echo.v1;

service Echo {
  rpc Say (Words) returns (Words) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Write (Words) returns (Words);
  rpc Count (Words) returns (stream Words);
  rpc Join (stream Words) returns (Words);
}
message Words {
  string text = 1;
  repeated string more = 2;
}
`;

export interface Words {
  readonly text: string;
  readonly more?: readonly string[];
}

export interface EchoClient {
  say: UnaryMethod<Words, Words>;
  write: UnaryMethod<Words, Words>;
}

/** A small interface to try things with: `echo.v1.Echo`, of which `Say` is idempotent and `Write` is not. */
export function echoProto(): PackageDefinition {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-echo-'));
  try {
    const file = join(folder, 'echo.proto');
    writeFileSync(file, TEXT);
    return loadProto(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
