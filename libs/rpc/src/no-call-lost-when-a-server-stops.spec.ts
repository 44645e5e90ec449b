import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GrpcMethod } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { noopMeter, type Meter } from '@rookery/kernel';
import { staticInstances } from './client/instance-source.js';
import { RpcClient } from './client/rpc-client.js';
import type { RpcServer } from './server/rpc.server.js';
import { startRpc } from './server/start-rpc.js';
import { echoProto, type EchoClient, type Words } from './testing/echo.js';

/** Calls under way at once, and how often the server that stops comes back. */
const CALLERS = 16;
const ROUNDS = 3;

@Controller()
class EchoController {
  @GrpcMethod('echo.v1.Echo', 'Write')
  async write({ text }: Words): Promise<Words> {
    // Some are always under way, each at another point.
    await pause(1 + Math.random() * 20);
    return { text };
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

const proto = echoProto();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(port = 0, onCallDone?: () => void, meter: Meter = noopMeter): Promise<RpcServer> {
  const app = await NestFactory.create(EchoModule, new FastifyAdapter(), { logger: false });
  await app.init();
  closers.push(() => app.close());
  return startRpc(app, { proto, packages: ['echo.v1'], port, deadlineMs: 30_000, onCallDone, meter });
}

it('answers every call, none of which may be made twice, while one of two servers stops and comes back', async () => {
  const stays = await serve();
  let endedWhereItGoes = 0;
  const count = (): void => void (endedWhereItGoes += 1);
  let underWayWhereItGoes = (): number => 0;
  const meter: Meter = {
    ...noopMeter,
    gauge: (_, read) => {
      underWayWhereItGoes = () => [...read()][0]!.value;
      return () => undefined;
    },
  };
  let goes = await serve(0, count, meter);
  const instances = staticInstances([stays.address!, goes.address!]);
  // Nobody is taken for gone because this process, where both ends are, was held up.
  const patient = { deadlineMs: 30_000, keepAliveMs: 60_000 };
  const client = await RpcClient.open({ service: 'echo', instances, proto, ...patient });
  closers.push(() => client.close());
  const echo = client.stub<EchoClient>('echo.v1.Echo');

  const failures: unknown[] = [];
  let answered = 0;
  let stopped = false;
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!stopped) {
      await echo.write({ text: 'x' }).then(
        () => (answered += 1),
        (error: unknown) => failures.push(error),
      );
    }
  });
  const more = async (count: number): Promise<void> => {
    for (const goal = answered + count; answered < goal && failures.length === 0;) await turn();
  };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await more(200);
      // A client goes back to a server that was away after a while only.
      for (const goal = endedWhereItGoes + 20; endedWhereItGoes < goal && failures.length === 0;)
        await turn();
      // Or the stop had nothing to lose: all of them may have ended in one turn of the loop.
      while (underWayWhereItGoes() === 0 && failures.length === 0) await turn();
      goes.stopServing();
      const before = endedWhereItGoes;
      await goes.drain(20_000);
      expect(endedWhereItGoes).toBeGreaterThan(before);
      await more(50);
      goes = await serve(Number(goes.address!.split(':')[1]), count, meter);
    }
  } finally {
    stopped = true;
    await Promise.all(callers);
  }
  expect(failures).toEqual([]);
});
