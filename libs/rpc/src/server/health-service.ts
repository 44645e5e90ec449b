import {
  status as Status,
  type sendUnaryData,
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { serviceOf } from '../proto/load-proto.js';

export type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
interface Asked {
  readonly service: string;
}
interface Told {
  readonly status: ServingStatus;
}
type Watcher = ServerWritableStream<Asked, Told>;

/** health.proto of grpc.health.v1, as the gRPC project publishes it. */
export const healthProto = fromJSON(
  {
    nested: {
      grpc: {
        nested: {
          health: {
            nested: {
              v1: {
                nested: {
                  HealthCheckRequest: { fields: { service: { type: 'string', id: 1 } } },
                  HealthCheckResponse: {
                    fields: { status: { type: 'ServingStatus', id: 1 } },
                    nested: {
                      ServingStatus: {
                        values: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 },
                      },
                    },
                  },
                  Health: {
                    methods: {
                      Check: { requestType: 'HealthCheckRequest', responseType: 'HealthCheckResponse' },
                      Watch: {
                        requestType: 'HealthCheckRequest',
                        responseType: 'HealthCheckResponse',
                        responseStream: true,
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  } as Parameters<typeof fromJSON>[0],
  { enums: String, defaults: true },
);

/**
 * `grpc.health.v1`: whether this server takes calls, as a whole (the empty name) and by service, asked once or watched. All
 * that it serves shares one state, from `SERVING` to `NOT_SERVING`, and never back.
 */
export class HealthService {
  private serving = true;
  private readonly watchers = new Set<Watcher>();
  private readonly names: ReadonlySet<string>;

  constructor(services: readonly string[]) {
    this.names = new Set(['', 'grpc.health.v1.Health', ...services]);
  }

  addTo(server: Server): void {
    server.addService(serviceOf(healthProto, 'grpc.health.v1.Health'), {
      Check: (call: ServerUnaryCall<Asked, Told>, answer: sendUnaryData<Told>) => {
        const status = this.statusOf(call.request.service);
        if (status === 'SERVICE_UNKNOWN') answer({ code: Status.NOT_FOUND, details: 'no such service' });
        else answer(null, { status });
      },
      Watch: (call: Watcher) => {
        call.write({ status: this.statusOf(call.request.service) });
        this.watchers.add(call);
        call.on('cancelled', () => this.watchers.delete(call));
        call.on('error', () => this.watchers.delete(call));
      },
    });
  }

  /** Tells all who watch that nothing new is taken. */
  stopServing(): void {
    if (!this.serving) return;
    this.serving = false;
    for (const call of this.watchers) call.write({ status: this.statusOf(call.request.service) });
  }

  /** Ends the watches: they would hold a connection up for ever. */
  endWatches(): void {
    for (const call of this.watchers) call.end();
    this.watchers.clear();
  }

  private statusOf(service: string): ServingStatus {
    if (!this.names.has(service)) return 'SERVICE_UNKNOWN';
    return this.serving ? 'SERVING' : 'NOT_SERVING';
  }
}
