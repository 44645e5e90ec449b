import {
  credentials,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type Client,
  type GrpcObject,
  type ServiceClientConstructor,
  type ServiceError,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@rookery/rpc';
import type { Words } from '@rookery/rpc/testing';

const DEADLINE_MS = 5_000;

/** What the documentation of grpc-js has for a server, and nothing more. */
export class BareEcho {
  private constructor(
    private readonly server: Server,
    readonly address: string,
  ) {}

  static async start(proto: PackageDefinition): Promise<BareEcho> {
    const server = new Server();
    server.addService(echoOf(proto).service, {
      Say: ({ request }: ServerUnaryCall<Words, Words>, answer: sendUnaryData<Words>) =>
        answer(null, { text: request.text, more: request.more ?? [] }),
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, there) =>
        error ? reject(error) : resolve(there),
      ),
    );
    return new BareEcho(server, `127.0.0.1:${port}`);
  }

  stop(): void {
    this.server.forceShutdown();
  }
}

type Say = (
  words: Words,
  options: { deadline: number },
  done: (error: ServiceError | null, answer: Words) => void,
) => void;

/** A client as the documentation has it, with a deadline on each call. */
export function bareCaller(proto: PackageDefinition, address: string) {
  const client = new (echoOf(proto))(address, credentials.createInsecure()) as unknown as Client & {
    Say: Say;
  };
  return {
    say: (words: Words) =>
      new Promise<Words>((resolve, reject) =>
        client.Say(words, { deadline: Date.now() + DEADLINE_MS }, (error, answer) =>
          error ? reject(error) : resolve(answer),
        ),
      ),
    close: () => client.close(),
  };
}

function echoOf(proto: PackageDefinition): ServiceClientConstructor {
  const { echo } = loadPackageDefinition(proto);
  return ((echo as GrpcObject)['v1'] as GrpcObject)['Echo'] as ServiceClientConstructor;
}
