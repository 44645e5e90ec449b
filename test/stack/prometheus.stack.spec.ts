// needs: prometheus
import { readdirSync, readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { TestDatabases } from '@rookery/devstack/testing';
import { buildIfStale, root } from '../../scripts/build-if-stale.mjs';
import { boards, filledIn, metricsOf, rules } from '../deploy/boards.js';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';
import { Prometheus, promtool } from './support/prometheus.js';

/** deploy/prometheus and deploy/grafana against a real Prometheus and a real site. */
const LIMIT_MS = 120_000;
const PROMTOOL_LIMIT_MS = 300_000;

/** Metrics that a site in order has nothing to say of, or that it has no part for here, and why. */
const SILENT: Readonly<Record<string, string>> = {
  rookery_events_relayed_total: 'there is no Kafka here',
  rookery_events_relay_failures_total: 'there is no Kafka here',
  rookery_events_kafka_lag: 'there is no Kafka here',
  rookery_events_kafka_rebuilds_total: 'there is no Kafka here',
  rookery_cache_driver_calls_total: 'there is no Redis here',
  rookery_cache_driver_seconds: 'there is no Redis here',
  rookery_cache_stampedes_total: 'nobody reads the same at once',
  rookery_events_retries_total: 'no handler fails',
  rookery_sharding_transaction_retries_total: 'nobody writes the same at once, and no slot moves',
  rookery_security_password_refused_total: 'no flood of passwords comes',
};
/** Panels whose metrics have data, and whose question has none in a site in order. */
const SILENT_PANELS: Readonly<Record<string, string>> = {
  'events.json Parked': 'no event is parked',
};

describe('promtool', () => {
  it('finds the configurations and rules as they should be', async () => {
    const checked = await promtool('check', 'config', 'prometheus.yml', 'compose.yml');
    expect(checked).toMatchObject({ code: 0 });
    for (const file of readdirSync(join(root, 'deploy/prometheus/rules')))
      expect(checked.output).toContain(file);
  });

  it(
    'sees each alert fire when it should, and only then',
    async () => {
      const tests = readdirSync(join(root, 'deploy/prometheus/tests')).map((file) => join('tests', file));
      const { code, output } = await promtool('test', 'rules', ...tests);
      expect([code, output]).toEqual([0, expect.stringContaining('SUCCESS')]);
      const texts = tests
        .map((file) => readFileSync(join(root, 'deploy/prometheus', file), 'utf8'))
        .join('\n');
      const untried = Object.values(rules())
        .flat()
        .flatMap(({ alert }) => alert ?? [])
        .filter((alert) => !new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n`).test(texts));
      expect(untried).toEqual([]);
    },
    PROMTOOL_LIMIT_MS,
  );

  it('fails where a threshold is another one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rookery-promtool-'));
    try {
      const { rules: file, test } = { rules: join(folder, 'rules.yml'), test: join(folder, 'test.yml') };
      const text = readFileSync(join(root, 'deploy/prometheus/rules/alerts.yml'), 'utf8');
      writeFileSync(
        file,
        text.replace('utilization_ratio{job="conduit"} > 0.85', 'utilization_ratio{job="conduit"} > 0.99'),
      );
      writeFileSync(
        test,
        `rule_files: [rules.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series: [{ series: 'rookery_event_loop_utilization_ratio{job="conduit",instance="a"}', values: '0.97x60' }]
    alert_rule_test: [{ eval_time: 10m, alertname: EventLoopSaturated, exp_alerts: [{ exp_labels: { severity: ticket, instance: a, job: conduit } }] }]
`,
      );
      const { code, output } = await promtool('test', 'rules', test);
      expect([code, output]).toEqual([1, expect.stringContaining('got:[]')]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a site that Prometheus watches', () => {
  let databases: TestDatabases;
  let site: ChildSite | undefined;
  const prometheus = new Prometheus();
  const traffic = new AbortController();
  let driven: Promise<void> | undefined;

  beforeAll(async () => {
    await buildIfStale();
    databases = await conduitDatabases(2);
    site = new ChildSite({
      SHARD_URLS: databases.urls.join(','),
      JWT_SECRET: 'a secret that is long enough for HS256',
    });
    await site.ready();
    await prometheus.start([site.opsUrl], ['ReplicaDown', 'NoReplicaUp']);
    driven = drive(site.url, traffic.signal);
  }, 2 * LIMIT_MS);
  afterAll(async () => {
    traffic.abort();
    await driven;
    await prometheus.stop();
    await site?.kill();
    await databases?.drop();
  }, LIMIT_MS);

  /** Those without data, once all others have it; asked until then. */
  async function unanswered(
    questions: readonly (readonly [string, string])[],
    silent: (name: string, expr: string) => boolean,
  ) {
    let open = [...questions];
    const due = (all: typeof open) => all.filter(([name, expr]) => !silent(name, expr));
    await until(
      'each question has an answer',
      async () => {
        const still: typeof open = [];
        for (const one of open) if ((await prometheus.query(one[1])).length === 0) still.push(one);
        open = still;
        return due(open).length === 0;
      },
      60_000,
    ).catch((error: Error) => {
      throw new Error(
        `${error.message}: ${due(open)
          .map(([name, expr]) => `${name}: ${expr}`)
          .join('\n')}`,
      );
    });
    return open.map(([name]) => name);
  }

  it(
    'answers what each panel of each board asks',
    async () => {
      const questions = boards().flatMap(({ file, panels }) =>
        panels.flatMap(({ title, targets = [] }) =>
          targets.map(({ expr }) => [`${file} ${title}`, filledIn(expr, '15s')] as const),
        ),
      );
      expect(questions.length).toBeGreaterThan(60);
      const names: string[] = questions.map(([name]) => name);
      for (const name of Object.keys(SILENT_PANELS)) expect(names).toContain(name);
      const silent = (name: string, expr: string) =>
        name in SILENT_PANELS || metricsOf(expr).some((metric) => isSilent(metric));
      const without: string[] = await unanswered(questions, silent);
      const explained: string[] = questions
        .filter(([name, expr]) => silent(name, expr))
        .map(([name]) => name);
      expect(without.filter((name) => !explained.includes(name))).toEqual([]);
    },
    LIMIT_MS,
  );

  it('gives each variable of the boards something to choose', async () => {
    for (const { file, templating } of boards()) {
      for (const { definition } of templating.list.filter(({ type }) => type === 'query')) {
        expect([file, definition, (await prometheus.labelValues(definition!)).length > 0]).toEqual([
          file,
          definition,
          true,
        ]);
      }
    }
  });

  it(
    'has figures for each recorded rule, and no rule that fails',
    async () => {
      const recorded = Object.values(rules())
        .flat()
        .flatMap(({ record }) => (record === undefined ? [] : [[record, record] as const]));
      expect(recorded.length).toBeGreaterThan(15);
      expect(await unanswered(recorded, () => false)).toEqual([]);
      expect(await prometheus.ruleFaults()).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'raises no alert while all is well, and says which replica went away',
    async () => {
      const firing = async () => (await prometheus.alerts()).filter(({ state }) => state === 'firing');
      // One look at a site that is held up for a second is missed, and the next one is not.
      let fired: (string | undefined)[] = [];
      await until('no alert to fire', async () => {
        fired = (await firing()).map(({ labels }) => labels['alertname']);
        return fired.length === 0;
      }).catch((error: Error) => {
        throw new Error(`${error.message}: ${fired.join()}`);
      });
      traffic.abort();
      await driven;
      expect(await site!.stop()).toMatchObject({ code: 0 });
      const instance = new URL(site!.opsUrl).host;
      await until('the alerts fire', async () => {
        const names = (await firing()).map(({ labels }) => labels['alertname']);
        return names.includes('ReplicaDown') && names.includes('NoReplicaUp');
      });
      expect(await firing()).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            labels: { alertname: 'ReplicaDown', instance, job: 'conduit', severity: 'ticket' },
            annotations: expect.objectContaining({
              summary: `${instance} does not answer on its operations port`,
              runbook: 'docs/runbook.md#replicadown',
            }) as unknown,
          }),
          expect.objectContaining({ labels: { alertname: 'NoReplicaUp', severity: 'page' } }),
        ]),
      );
    },
    LIMIT_MS,
  );
});

function isSilent(metric: string): boolean {
  return metric.replace(/_(bucket|count|sum)$/, '') in SILENT;
}

/** People who write, read, sign in rightly and wrongly, and one who speaks no HTTP; until `signal`. */
async function drive(url: string, signal: AbortSignal): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    const ask = async (method: string, path: string, body?: unknown, token?: string): Promise<Response> =>
      fetch(`${url}${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Token ${token}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const [author, reader] = await Promise.all(
      ['author', 'reader'].map(async (role) => {
        const user = { username: `${role}${i}`, email: `${role}${i}@x.org`, password: 'long enough' };
        const answer = await ask('POST', '/api/users', { user });
        return ((await answer.json()) as { user: { token: string } }).user.token;
      }),
    );
    await ask('POST', `/api/profiles/author${i}/follow`, undefined, reader);
    const article = { title: `Title ${i}`, description: 'd', body: 'b', tagList: ['x'] };
    await ask('POST', '/api/articles', { article }, author);
    await ask('POST', '/api/users/login', { user: { email: `author${i}@x.org`, password: 'the wrong one' } });
    for (const path of [
      '/api/articles',
      '/api/tags',
      `/api/profiles/author${i}`,
      '/nowhere',
      '/health/ready',
    ]) {
      await ask('GET', path);
    }
    await ask('GET', '/api/articles/feed', undefined, reader);
    await ask('GET', '/api/user', undefined, 'no.token.atall');
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.end('NOT HTTP\r\n\r\n');
    await once(socket.resume(), 'close');
  }
}
