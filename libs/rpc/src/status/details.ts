import { fromJSON, type MessageTypeDefinition } from '@grpc/proto-loader';

/** `google.protobuf.Any` with its bytes as they are. */
interface Packed {
  readonly type_url: string;
  readonly value: Uint8Array;
}

interface Status {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Packed[];
}

/** `google.rpc.ErrorInfo`: `reason` is the error's code. */
export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const string = (id: number) => ({ type: 'string', id });

/**
 * The messages of google.rpc (error_details.proto, status.proto) that say more of a failure than its status. `Any` is
 * declared here under another name: the loader turns the real one into the message it holds, which it cannot know.
 */
const definition = fromJSON(
  {
    nested: {
      Packed: { fields: { type_url: string(1), value: { type: 'bytes', id: 2 } } },
      Status: {
        fields: {
          code: { type: 'int32', id: 1 },
          message: string(2),
          details: { rule: 'repeated', type: 'Packed', id: 3 },
        },
      },
      ErrorInfo: {
        fields: {
          reason: string(1),
          domain: string(2),
          metadata: { keyType: 'string', type: 'string', id: 3 },
        },
      },
    },
  } as Parameters<typeof fromJSON>[0],
  { keepCase: true, defaults: true, arrays: true, objects: true },
);
const status = definition['Status'] as unknown as MessageTypeDefinition<Status, Status>;
const errorInfo = definition['ErrorInfo'] as unknown as MessageTypeDefinition<ErrorInfo, ErrorInfo>;

const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';

/** The bytes of a `google.rpc.Status` that carries this one detail, for `grpc-status-details-bin`. */
export function encodeDetails(code: number, message: string, info: ErrorInfo): Buffer {
  return status.serialize({
    code,
    message,
    details: [{ type_url: ERROR_INFO, value: errorInfo.serialize(info) }],
  });
}

/** The detail of any sender's `grpc-status-details-bin`; `undefined` where there is none, or what came cannot be read. */
export function decodeDetails(bytes: Buffer): ErrorInfo | undefined {
  try {
    const packed = status.deserialize(bytes).details.find(({ type_url }) => type_url === ERROR_INFO);
    return packed && errorInfo.deserialize(Buffer.from(packed.value));
  } catch {
    // Whatever it is, the status itself is still good.
    return undefined;
  }
}
