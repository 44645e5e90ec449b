import { once } from 'node:events';
import { resolve } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  type ClientReadableStream,
  type GrpcObject,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { fromJSON, loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { bootSite } from '../support/site.js';
import { until } from '../support/until.js';

/** As much of grpc.health.v1 as a probe needs; an enum is a number on the wire. */
const HEALTH = fromJSON(
  {
    nested: {
      grpc: {
        nested: {
          health: {
            nested: {
              v1: {
                nested: {
                  Asked: { fields: { service: { type: 'string', id: 1 } } },
                  Told: { fields: { status: { type: 'int32', id: 1 } } },
                  Health: {
                    methods: { Watch: { requestType: 'Asked', responseType: 'Told', responseStream: true } },
                  },
                },
              },
            },
          },
        },
      },
    },
  } as Parameters<typeof fromJSON>[0],
  { defaults: true },
);
const SERVING = 1;
const NOT_SERVING = 2;

function client(proto: PackageDefinition, path: readonly string[], address: string) {
  let found: unknown = loadPackageDefinition(proto);
  for (const step of path) found = (found as GrpcObject)[step];
  return new (found as ServiceClientConstructor)(address, credentials.createInsecure());
}

it('a site that stops says so by gRPC first, answers by gRPC and HTTP meanwhile, and then takes no calls', async () => {
  // What is looked at while it drains may come late on a machine that does other things as well.
  const booted = await bootSite({ environment: { GRPC_PORT: '0', DRAIN_DELAY_MS: '5000' } });
  const address = booted.site.grpcAddress!;
  const health = client(HEALTH, ['grpc', 'health', 'v1', 'Health'], address);
  const articles = client(
    loadSync(resolve('src/rpc/proto/conduit.proto'), { defaults: true }),
    ['conduit', 'v1', 'Articles'],
    address,
  );
  const list = (): Promise<unknown> =>
    new Promise((done, fail) =>
      (
        articles as unknown as Record<
          string,
          (request: object, done: (error: Error | null, answer: unknown) => void) => void
        >
      )['ListArticles']!({}, (error, answer) => (error ? fail(error) : done(answer))),
    );
  try {
    const watch = (health as unknown as { Watch(asked: object): ClientReadableStream<unknown> }).Watch({
      service: 'conduit.v1.Articles',
    });
    expect(await once(watch, 'data')).toEqual([{ status: SERVING }]);
    const told = once(watch, 'data');
    const stopped = booted.close();
    expect(await told).toEqual([{ status: NOT_SERVING }]);
    await expect(list()).resolves.toMatchObject({ totalSize: 0 });
    expect((await fetch(`${booted.site.url}/health/ready`)).status).toBe(503);
    await stopped;
    // The client may take a moment to see that its connection is gone; no call gets through meanwhile.
    await until('nobody listens any more', async () => {
      const failure = await list().then(
        () => undefined,
        (error: ServiceError) => error,
      );
      if (failure === undefined) throw new Error('a call was taken');
      return failure.details.includes('No connection established');
    });
  } finally {
    health.close();
    articles.close();
    await booted.site.stop();
  }
});
