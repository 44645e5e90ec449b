import { readdir } from 'node:fs/promises';
import { devstackErrors } from '../devstack.errors.js';

export interface KafkaOptions {
  /** Folder of the broker's jars: Kafka with all it depends on, and a binding of slf4j that writes to standard error. */
  readonly jars: string;
  /** Each is a broker and a controller of one KRaft quorum; three go on when one is lost. @default 1 */
  readonly brokers?: 1 | 3;
  /** Settings of `server.properties` beside or instead of those for tests (see the README). @default {} */
  readonly properties?: Readonly<Record<string, string>>;
  /** Existing folder in which the cluster makes one of its own, which goes when it does. @default the system's temporary folder */
  readonly dataDir?: string;
  /**
   * Folder of data that outlive it, made if it is not there: started there again, it goes on with what it had. With the same
   * number of brokers, and by one process at a time. @default data are removed at the end
   */
  readonly keepIn?: string;
  /** Milliseconds a start of all brokers, or of one again, may take. @default 60000 */
  readonly startTimeoutMs?: number;
}

const NAME = /^[a-z][a-z0-9.]*$/;
/** What makes the brokers one cluster in a place of its own. */
const RESERVED: readonly string[] = [
  'process.roles',
  'node.id',
  'listeners',
  'advertised.listeners',
  'controller.listener.names',
  'controller.quorum.voters',
  'inter.broker.listener.name',
  'log.dirs',
];

/** @throws RK_DEVSTACK_KAFKA_BAD_OPTIONS before anything is started. */
export async function checkKafkaOptions(options: KafkaOptions): Promise<void> {
  const { jars, brokers = 1, properties = {}, startTimeoutMs = 1 } = options;
  // The type says so, too; three by a mistyped variable would be found out late.
  if (brokers !== 1 && brokers !== 3)
    throw badOptions(`the number of brokers must be 1 or 3, not ${String(brokers)}`);
  if (!(startTimeoutMs > 0)) throw badOptions(`startTimeoutMs must be positive, not ${startTimeoutMs}`);
  for (const [name, value] of Object.entries(properties)) {
    // A backslash or a line break means something else in a file of properties.
    if (!NAME.test(name) || /[\0\r\n\\]/.test(value)) throw badOptions(`'${name}' is no setting of Kafka`);
    if (RESERVED.includes(name)) throw badOptions(`'${name}' is set by startKafka itself`);
  }
  const files = await readdir(jars).catch((cause: Error) => {
    throw badOptions(`the folder of its jars cannot be read (${cause.message})`, cause);
  });
  if (!files.some((file) => /^kafka_[\d.]+-[\d.]+\.jar$/.test(file)))
    throw badOptions(`there is no jar of the broker in ${jars}`);
}

function badOptions(reason: string, cause?: Error): Error {
  return devstackErrors.create('KAFKA_BAD_OPTIONS', { data: { reason }, cause });
}
