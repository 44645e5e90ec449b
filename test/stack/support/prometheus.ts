import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '@rookery/devstack/testing';
import { dump, load } from 'js-yaml';
import { root } from '../../../scripts/build-if-stale.mjs';
import { until } from '../../support/until.js';

const START_LIMIT_MS = 60_000;
const DEPLOY = join(root, 'deploy/prometheus');

export interface Alert {
  readonly state: 'pending' | 'firing';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Config {
  global: unknown;
  scrape_configs: { job_name: string; static_configs?: unknown; file_sd_configs?: { files: string[] }[] }[];
}

export interface Watched {
  /** Operations ports of replicas, by their URLs. @default none */
  readonly replicas?: readonly string[];
  /** Folder in which a cluster writes who is there: found by cluster.yml. */
  readonly clusterFolder?: string;
  /** `host:port` of others, by the name of their job. */
  readonly others?: Readonly<Record<string, string>>;
  /** Alerts that fire at once, not after their `for`. */
  readonly shortened?: readonly string[];
}

/** A Prometheus with the configuration and rules of deploy/, that asks and decides every second. */
export class Prometheus {
  private process: ChildProcess | undefined;
  private said = '';
  private readonly folder = mkdtempSync(join(tmpdir(), 'rookery-prometheus-'));
  private url = '';

  async start({ replicas = [], clusterFolder, others = {}, shortened = [] }: Watched): Promise<void> {
    cpSync(DEPLOY, this.folder, { recursive: true });
    const [port] = await freePorts(1);
    this.url = `http://127.0.0.1:${port}`;
    const configFile = clusterFolder === undefined ? 'prometheus.yml' : 'cluster.yml';
    this.change<Config>(configFile, (config) => {
      config.global = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' };
      for (const { file_sd_configs: found = [] } of config.scrape_configs)
        for (const one of found)
          one.files = one.files.map((file) => file.replace('../../.rookery/cluster', clusterFolder ?? ''));
      for (const [job, target] of Object.entries(others))
        config.scrape_configs.push({ job_name: job, static_configs: [{ targets: [target] }] });
    });
    for (const file of readdirSync(join(this.folder, 'rules'))) {
      this.change<{ groups: { rules: { alert?: string; for?: string }[] }[] }>(
        join('rules', file),
        ({ groups }) => {
          for (const { rules } of groups)
            for (const rule of rules) if (shortened.includes(rule.alert ?? '')) delete rule.for;
        },
      );
    }
    writeFileSync(
      join(this.folder, 'targets/conduit.json'),
      JSON.stringify([{ targets: replicas.map((url) => new URL(url).host) }]),
    );
    const args = [
      `--config.file=${join(this.folder, configFile)}`,
      `--storage.tsdb.path=${join(this.folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ];
    const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.process = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    await until(
      'Prometheus is ready',
      async () => {
        if (child.exitCode !== null) throw new Error(`Prometheus ended: ${this.said}`);
        return fetch(`${this.url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        );
      },
      START_LIMIT_MS,
    );
  }

  /** Values of an expression as they are now: one of each series. NaN is none. */
  async query(expr: string): Promise<number[]> {
    const { result } = await this.ask<{ result: { value: [number, string] }[] }>(
      `query?${new URLSearchParams({ query: expr }).toString()}`,
    );
    return result.map(({ value }) => Number(value[1])).filter((value) => !Number.isNaN(value));
  }

  /** What a board's variable offers: `label_values(metric{…}, label)`. */
  async labelValues(definition: string): Promise<string[]> {
    const [, match, label] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
    if (match === undefined || label === undefined) throw new Error(`no question for labels: ${definition}`);
    return this.ask(`label/${label}/values?${new URLSearchParams({ 'match[]': match }).toString()}`);
  }

  async alerts(): Promise<readonly Alert[]> {
    return (await this.ask<{ alerts: Alert[] }>('alerts')).alerts;
  }

  /** Rules that could not be evaluated, with the reason. */
  async ruleFaults(): Promise<string[]> {
    const { groups } = await this.ask<{ groups: { rules: { name: string; lastError?: string }[] }[] }>(
      'rules',
    );
    return groups.flatMap(({ rules }) =>
      rules.flatMap(({ name, lastError }) => (lastError ? [`${name}: ${lastError}`] : [])),
    );
  }

  async stop(): Promise<void> {
    const child = this.process;
    if (child && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private change<Content>(file: string, edit: (content: Content) => void): void {
    const path = join(this.folder, file);
    const config = load(readFileSync(path, 'utf8')) as Content;
    edit(config);
    writeFileSync(path, dump(config));
  }

  private async ask<T>(path: string): Promise<T> {
    const answer = (await (await fetch(`${this.url}/api/v1/${path}`)).json()) as { data: T; error?: string };
    if (answer.error !== undefined) throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }
}

/** Runs promtool in deploy/prometheus. */
export function promtool(...args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile('promtool', args, { cwd: DEPLOY }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
    );
  });
}
