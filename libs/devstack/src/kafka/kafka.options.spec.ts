import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkKafkaOptions, type KafkaOptions } from './kafka.options.js';

describe('the options of Kafka', () => {
  let jars: string;
  beforeAll(async () => {
    jars = await mkdtemp(join(tmpdir(), 'rookery-jars-'));
    await writeFile(join(jars, 'kafka_2.13-4.1.0.jar'), '');
  });
  afterAll(() => rm(jars, { recursive: true }));

  it('are taken when they make sense', async () => {
    const options = {
      jars,
      brokers: 3,
      properties: { 'log.retention.ms': '1000' },
      startTimeoutMs: 5,
    } as const;
    await expect(checkKafkaOptions(options)).resolves.toBeUndefined();
  });

  it.each<[string, Partial<KafkaOptions>]>([
    ['two brokers', { brokers: 2 as 3 }],
    ['no time', { startTimeoutMs: 0 }],
    ['a line break in a setting', { properties: { 'log.retention.ms': '1\nnode.id=7' } }],
    ['a setting that startKafka makes', { properties: { 'log.dirs': '/elsewhere' } }],
    ['a folder that is not there', { jars: '/nowhere' }],
    ['a folder without Kafka', { jars: import.meta.dirname }],
  ])('are refused: %s', async (_what, wrong) => {
    await expect(checkKafkaOptions({ jars, ...wrong })).rejects.toMatchObject({
      code: 'RK_DEVSTACK_KAFKA_BAD_OPTIONS',
    });
  });
});
