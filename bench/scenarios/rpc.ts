import { Controller, Module } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { createHttpApplication } from '@rookery/http';
import { RpcClient, startRpc, staticInstances } from '@rookery/rpc';
import { echoProto, type EchoClient, type Words } from '@rookery/rpc/testing';
import { BareEcho, bareCaller } from '../baselines/grpc-js-echo.js';
import type { Scenario, Side } from '../harness.js';

const SECONDS = 1.5;
/** Calls under way at once, over one connection: enough that nobody waits for the wire. */
const CALLERS = 32;
const MESSAGE: Words = { text: 'x'.repeat(200), more: ['a', 'b', 'c'] };

/** One call, from its message to the answer's. */
export type Call = (words: Words) => Promise<Words>;

@Controller()
class EchoController {
  @GrpcMethod('echo.v1.Echo', 'Say')
  say({ text, more }: Words): Promise<Words> {
    return Promise.resolve({ text, more: more ?? [] });
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

export const rpc: Scenario = {
  name: 'rpc',
  about: 'unary calls with a deadline, against a server and a client in bare @grpc/grpc-js',
  run: async (report) => {
    const proto = echoProto();
    const app = await createHttpApplication(EchoModule, {});
    await app.init();
    const server = await startRpc(app, { proto, packages: ['echo.v1'], port: 0 });
    const bare = await BareEcho.start(proto);
    const [ourAddress, bareAddress] = [server.address!, bare.address];
    const toOurs = bareCaller(proto, ourAddress);
    const toBare = bareCaller(proto, bareAddress);
    const instances = staticInstances([ourAddress]);
    const client = await RpcClient.open({ service: 'echo', instances, proto });
    try {
      const ours: Call = client.stub<EchoClient>('echo.v1.Echo').say;
      await mustAgree(ours, toOurs.say, toBare.say);
      await report.compare('rpc', 'server, called by grpc-js', calling(toOurs.say), calling(toBare.say));
      await report.compare('rpc', 'server and client', calling(ours), calling(toBare.say));
    } finally {
      await client.close();
      toOurs.close();
      toBare.close();
      bare.stop();
      await app.close();
    }
  },
};

/** Server and client share this process: its CPU is that of a whole call. */
function calling(say: Call): Side {
  return async () => {
    const cpu = process.cpuUsage();
    const since = performance.now();
    let operations = 0;
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        while (performance.now() - since < SECONDS * 1000) {
          await say(MESSAGE);
          operations += 1;
        }
      }),
    );
    const { user, system } = process.cpuUsage(cpu);
    return { operations, seconds: (performance.now() - since) / 1000, cpuMs: (user + system) / 1000 };
  };
}

async function mustAgree(...calls: readonly Call[]): Promise<void> {
  const answers = await Promise.all(calls.map((call) => call(MESSAGE)));
  const form = ({ text, more = [] }: Words) => [text, ...more].join(' ');
  if (answers.some((answer) => form(answer) !== form(MESSAGE))) {
    throw new Error('ours and the baseline answer differently');
  }
}
