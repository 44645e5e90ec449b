import { once } from 'node:events';
import type { Meter } from '@rookery/kernel';
import type { Registry } from '../registry.js';
import type { Balancer } from './balancer.js';
import { EdgeAgent } from './edge-agent.js';

export interface RunEdgeOptions {
  /** Closed at the end. */
  readonly registry: Registry;
  readonly service: string;
  readonly balancer: Balancer;
  /** Aborted when the agent is to stop. */
  readonly signal: AbortSignal;
  /** One line at a time. */
  readonly print: (line: string) => void;
  readonly meter?: Meter;
  /** Told of the agent when it runs, for a status page or a health check. */
  readonly onStart?: (agent: EdgeAgent) => void;
}

/** Any time that is long. */
const STAYS_MS = 3_600_000;

/** The whole life of an edge agent, for a command line: from its start until `signal`. */
export async function runEdge(options: RunEdgeOptions): Promise<void> {
  const { registry, service, balancer, signal, print, meter, onStart } = options;
  const agent = new EdgeAgent({ registry, service, balancer, onEvent: print, ...(meter && { meter }) });
  agent.start();
  print(`keeping ${balancer.name} in step with ${service} by ${registry.driver}`);
  onStart?.(agent);
  // No loop keeps a process, and while the registry is away no connection does: it would end by itself, unfinished.
  const staying = setInterval(() => undefined, STAYS_MS);
  try {
    if (!signal.aborted) await once(signal, 'abort');
    await agent.stop();
    await registry.close();
  } finally {
    clearInterval(staying);
  }
  print(`stopped; ${balancer.name} keeps what it has`);
}
