import { EtcdRegistry, NginxBalancer, runEdge } from '@rookery/discovery';

/** An edge agent as a process: `etcd endpoint`, `prefix of Nginx`. Prints a line for each thing that happens. */
const [endpoint, prefix] = process.argv.slice(2) as [string, string];
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

await runEdge({
  registry: new EtcdRegistry({ endpoints: [endpoint], ttlSeconds: 2, listIntervalMs: 500 }),
  service: 'conduit',
  balancer: new NginxBalancer({ service: 'conduit', prefix }),
  signal: stop.signal,
  print: (line) => void process.stdout.write(`${line}\n`),
});
