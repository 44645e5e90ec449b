import {
  loadPackageDefinition,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';

/** What we use of etcd's `rpc.proto` and `kv.proto` (v3), by its field numbers. 64-bit numbers are texts. */
export interface Header {
  readonly revision: string;
}
export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease: string;
  readonly mod_revision: string;
}
export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}
export interface LeaseResponse {
  readonly ID: string;
  /** Seconds; 0 or less: there is no such lease. */
  readonly TTL: string;
  readonly error?: string;
}
export interface WatchEvent {
  readonly type: 'PUT' | 'DELETE';
  readonly kv: KeyValue;
}
export interface WatchResponse {
  readonly header: Header;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Not 0: what was asked for was compacted away up to there. */
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly events: readonly WatchEvent[];
}

/** The unary calls: what they take, and what they give. */
export interface Calls {
  Range: [{ key: Buffer; range_end?: Buffer; limit?: number }, RangeResponse];
  Put: [{ key: Buffer; value: Buffer; lease: string }, { header: Header }];
  Compact: [{ revision: string; physical: boolean }, { header: Header }];
  DeleteRange: [{ key: Buffer; range_end?: Buffer }, { header: Header; deleted: string }];
  LeaseGrant: [{ TTL: number; ID?: string }, LeaseResponse];
  LeaseRevoke: [{ ID: string }, { header: Header }];
}
export type KeepAliveStream = ClientDuplexStream<{ ID: string }, LeaseResponse>;
export type WatchStream = ClientDuplexStream<unknown, WatchResponse>;

export const KV_CALLS: readonly (keyof Calls)[] = ['Range', 'Put', 'DeleteRange', 'Compact'];

type Field = [type: string, id: number, rule?: 'repeated'];

function message(fields: Record<string, Field>): object {
  return {
    fields: Object.fromEntries(
      Object.entries(fields).map(([name, [type, id, rule]]) => [name, { type, id, ...(rule && { rule }) }]),
    ),
  };
}

function service(calls: Record<string, [request: string, response: string, stream?: 'stream']>): object {
  return {
    methods: Object.fromEntries(
      Object.entries(calls).map(([name, [requestType, responseType, stream]]) => [
        name,
        { requestType, responseType, requestStream: !!stream, responseStream: !!stream },
      ]),
    ),
  };
}

const header: Field = ['ResponseHeader', 1];
const key: Field = ['bytes', 1];

/** In the form of protobuf.js, so that no file has to be found beside the code when it is built. */
const DESCRIPTOR = {
  nested: {
    mvccpb: {
      nested: {
        KeyValue: message({
          key,
          mod_revision: ['int64', 3],
          value: ['bytes', 5],
          lease: ['int64', 6],
        }),
        Event: {
          ...message({ type: ['EventType', 1], kv: ['KeyValue', 2] }),
          nested: { EventType: { values: { PUT: 0, DELETE: 1 } } },
        },
      },
    },
    etcdserverpb: {
      nested: {
        KV: service({
          Range: ['RangeRequest', 'RangeResponse'],
          Put: ['PutRequest', 'PutResponse'],
          DeleteRange: ['DeleteRangeRequest', 'DeleteRangeResponse'],
          Compact: ['CompactionRequest', 'CompactionResponse'],
        }),
        Lease: service({
          LeaseGrant: ['LeaseGrantRequest', 'LeaseGrantResponse'],
          LeaseRevoke: ['LeaseRevokeRequest', 'LeaseRevokeResponse'],
          LeaseKeepAlive: ['LeaseKeepAliveRequest', 'LeaseKeepAliveResponse', 'stream'],
        }),
        Watch: service({ Watch: ['WatchRequest', 'WatchResponse', 'stream'] }),
        ResponseHeader: message({ revision: ['int64', 3] }),
        RangeRequest: message({ key, range_end: ['bytes', 2], limit: ['int64', 3] }),
        RangeResponse: message({
          header,
          kvs: ['mvccpb.KeyValue', 2, 'repeated'],
          more: ['bool', 3],
        }),
        PutRequest: message({ key, value: ['bytes', 2], lease: ['int64', 3] }),
        PutResponse: message({ header }),
        DeleteRangeRequest: message({ key, range_end: ['bytes', 2] }),
        DeleteRangeResponse: message({ header, deleted: ['int64', 2] }),
        CompactionRequest: message({ revision: ['int64', 1], physical: ['bool', 2] }),
        CompactionResponse: message({ header }),
        LeaseGrantRequest: message({ TTL: ['int64', 1], ID: ['int64', 2] }),
        LeaseGrantResponse: message({ header, ID: ['int64', 2], TTL: ['int64', 3], error: ['string', 4] }),
        LeaseRevokeRequest: message({ ID: ['int64', 1] }),
        LeaseRevokeResponse: message({ header }),
        LeaseKeepAliveRequest: message({ ID: ['int64', 1] }),
        LeaseKeepAliveResponse: message({ header, ID: ['int64', 2], TTL: ['int64', 3] }),
        WatchRequest: message({ create_request: ['WatchCreateRequest', 1] }),
        WatchCreateRequest: message({ key, range_end: ['bytes', 2], start_revision: ['int64', 3] }),
        WatchResponse: message({
          header,
          created: ['bool', 3],
          canceled: ['bool', 4],
          compact_revision: ['int64', 5],
          cancel_reason: ['string', 6],
          events: ['mvccpb.Event', 11, 'repeated'],
        }),
      },
    },
  },
};

const loaded = loadPackageDefinition(
  fromJSON(DESCRIPTOR, { keepCase: true, longs: String, enums: String, defaults: true }),
)['etcdserverpb'] as unknown as Record<'KV' | 'Lease' | 'Watch', ServiceClientConstructor>;

export interface EtcdClients {
  readonly kv: Client;
  readonly lease: Client;
  readonly watch: Client;
}

export function clientsOf(endpoint: string, credentials: ChannelCredentials, options: object): EtcdClients {
  const kv = new loaded.KV(endpoint, credentials, options);
  // One connection for all three.
  const shared = { ...options, channelOverride: kv.getChannel() };
  return {
    kv,
    lease: new loaded.Lease(endpoint, credentials, shared),
    watch: new loaded.Watch(endpoint, credentials, shared),
  };
}
