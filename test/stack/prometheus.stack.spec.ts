// needs: prometheus
import { readdirSync, readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestDatabases } from '@rookery/devstack/testing';
import { buildIfStale, root } from '../../scripts/build-if-stale.mjs';
import { rules } from '../deploy/boards.js';
import { ChildSite } from '../support/child-site.js';
import { conduitDatabases } from '../support/site.js';
import { until } from '../support/until.js';
import { asksFor, boardQuestions, unanswered, variablesWithoutValues } from './support/board-questions.js';
import { driveSite } from './support/drive-site.js';
import { Prometheus, promtool } from './support/prometheus.js';
import { NOT_IN_ONE_SITE, SELDOM, SILENT_PANELS_OF_ONE_SITE } from './support/silent-metrics.js';

/** deploy/prometheus and deploy/grafana against a real Prometheus and a real site. */
const LIMIT_MS = 120_000;
const PROMTOOL_LIMIT_MS = 300_000;

describe('promtool', () => {
  it('finds the configurations and rules as they should be', async () => {
    const checked = await promtool('check', 'config', 'prometheus.yml', 'compose.yml', 'cluster.yml');
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
    await prometheus.start({ replicas: [site.opsUrl], shortened: ['ReplicaDown', 'NoReplicaUp'] });
    driven = driveSite(site.url, traffic.signal);
  }, 2 * LIMIT_MS);
  afterAll(async () => {
    traffic.abort();
    await driven;
    await prometheus.stop();
    await site?.kill();
    await databases?.drop();
  }, LIMIT_MS);

  it(
    'answers what each panel of each board asks, but those of parts that it does not have',
    async () => {
      const questions = boardQuestions();
      expect(questions.length).toBeGreaterThan(100);
      const names: string[] = questions.map(([name]) => name);
      for (const name of Object.keys(SILENT_PANELS_OF_ONE_SITE)) expect(names).toContain(name);
      await unanswered(
        prometheus,
        questions,
        (name, expr) => name in SILENT_PANELS_OF_ONE_SITE || asksFor(expr, { ...NOT_IN_ONE_SITE, ...SELDOM }),
      );
    },
    LIMIT_MS,
  );

  it('gives each variable of the boards something to choose', async () => {
    expect(await variablesWithoutValues(prometheus)).toEqual([]);
  });

  it(
    'has figures for each recorded rule, and no rule that fails',
    async () => {
      const recorded = Object.values(rules())
        .flat()
        .flatMap(({ record }) => (record === undefined ? [] : [[record, record] as const]));
      expect(recorded.length).toBeGreaterThan(15);
      expect(await unanswered(prometheus, recorded, () => false)).toEqual([]);
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
