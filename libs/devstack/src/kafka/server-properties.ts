export interface NodePorts {
  readonly client: number;
  readonly controller: number;
}

/** What clients and the other brokers are told to use. */
export const HOST = '127.0.0.1';

/** The `server.properties` of broker `id`, which is one of `nodes.length`. */
export function serverProperties(
  id: number,
  nodes: readonly NodePorts[],
  dataFolder: string,
  wanted: Readonly<Record<string, string>>,
): string {
  const { client, controller } = nodes[id]!;
  const own = {
    'process.roles': 'broker,controller',
    'node.id': String(id),
    listeners: `PLAINTEXT://${HOST}:${client},CONTROLLER://${HOST}:${controller}`,
    'advertised.listeners': `PLAINTEXT://${HOST}:${client}`,
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': nodes.map((node, at) => `${at}@${HOST}:${node.controller}`).join(),
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': dataFolder,
  };
  const all = { ...settingsForTests(nodes.length), ...wanted, ...own };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function settingsForTests(brokers: number): Record<string, string> {
  const copies = String(brokers);
  const inSync = brokers === 1 ? '1' : '2';
  return {
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    // A name mistyped in a test shall fail there.
    'auto.create.topics.enable': 'false',
    // The first member of a group is not made to wait for others, and a dead one is missed soon, if it asks for that.
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    // A killed broker may come back only when its old session has run out; its partitions move as soon.
    'broker.heartbeat.interval.ms': '300',
    'broker.session.timeout.ms': '2500',
    // Of 50 partitions each, these topics take longer to make than most tests take.
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'log.segment.bytes': String(64 * 1024 * 1024),
    'log.index.size.max.bytes': String(1024 * 1024),
    // Kept on the heap from the start; the default is a quarter of the heap that a broker has here.
    'log.cleaner.dedupe.buffer.size': String(8 * 1024 * 1024),
  };
}
