import { testDatabases } from '@rookery/devstack/testing';
import { defineEvent } from '@rookery/events';
import { testShards, type TestShards } from '@rookery/sharding/testing';
import { z } from 'zod';
import { runCli } from '../run-cli.js';
import { eventsRebuild, type ReadModelSite, type SiteReadModel } from './events-rebuild.js';
import { eventsReplay } from './events-replay.js';
import { eventsTopics, type EventsSite } from './events-topics.js';

let cluster: TestShards;
beforeAll(async () => {
  cluster = await testShards({ databases: testDatabases });
}, 60_000);
afterAll(() => cluster.close());

const noted = defineEvent({ type: 'spec.noted', key: ({ id }) => id, schema: z.object({ id: z.string() }) });

async function rookery(line: string, site: Partial<EventsSite & ReadModelSite>) {
  let out = '';
  let err = '';
  const whole = { sharding: cluster.options, events: [noted], kafka: undefined, readModels: {}, ...site };
  const code = await runCli<EventsSite & ReadModelSite>(line.split(' '), {
    summary: 'spec',
    version: '0',
    groups: {},
    commands: [eventsRebuild, eventsReplay, eventsTopics],
    open: () => Promise.resolve({ ...whole, close: () => Promise.resolve() }),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

describe('rookery events rebuild', () => {
  /** A model of which three rows are missing until it is rebuilt. */
  function model(): SiteReadModel {
    let missing = 3;
    return {
      rebuild: async (shards, onProgress) => {
        await shards.scatter({ text: 'SELECT 1' });
        for (let page = 0; page < 3; page++) onProgress(400);
        missing = 0;
      },
      compare: () => Promise.resolve({ missing, extra: 0 }),
    };
  }

  it('rebuilds a model of the site, says how it gets on, and compares it then', async () => {
    const { code, out, err } = await rookery('events rebuild feed', { readModels: { feed: model() } });
    expect(code).toBe(0);
    expect(out).toMatch(/^✓ feed rebuilt from 1,200 rows in [\d.]+ m?s: as its sources say\n$/);
    expect(err).toMatch(/^feed: 400 rows, [\d,]+\/s\n/);
  });

  it('only compares if told so, and ends with 1 where something differs', async () => {
    const readModels = { feed: model() };
    const { code, out } = await rookery('events rebuild feed --check', { readModels });
    expect(code).toBe(1);
    expect(out).toMatch(/^! feed compared in [\d.]+ m?s: 3 rows missing or other, 0 rows too many\n$/);
    const { out: json } = await rookery('events rebuild feed --check --json', { readModels });
    expect(JSON.parse(json)).toMatchObject({
      model: 'feed',
      rebuilt: false,
      difference: { missing: 3, extra: 0 },
    });
  });

  it('names the models there are', async () => {
    expect(
      await rookery('events rebuild constructor', { readModels: { feed: model(), tags: model() } }),
    ).toEqual({
      code: 2,
      out: '',
      err: 'rookery: no read model constructor: there are feed, tags\n',
    });
  });
});

describe('rookery events replay --from', () => {
  it('is refused where the log is not what handlers read', async () => {
    const kafka = { brokers: ['127.0.0.1:1'] };
    const { code, err } = await rookery('events replay feed --from 2026-01-01 --yes', { kafka });
    expect(code).toBe(2);
    expect(err).toContain('consume Kafka');
    expect(err).toMatch(/The way around: deploy the site without Kafka, replay, /);
  });
});

describe('rookery events topics', () => {
  it('wants none of a site without Kafka, and says so where Kafka is away', async () => {
    expect(await rookery('events topics --create', {})).toMatchObject({
      code: 0,
      out: expect.stringContaining('no topic is needed') as string,
    });
    const away = await rookery('events topics', { kafka: { brokers: ['127.0.0.1:1'] } });
    expect(away).toMatchObject({ code: 1, out: '' });
    expect(away.err).toMatch(/^rookery: .*RK_EVENTS_KAFKA_AWAY.*\n$/);
  });
});
