import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { load } from 'js-yaml';
import { configOf, imageEnvironment, unknownVariables } from './environment.js';

/** deploy/compose.yaml against the Compose Specification, its own names, and the site's configuration. */
const DEPLOY = join(import.meta.dirname, '../../deploy');

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly stop_grace_period?: string;
  readonly healthcheck?: { readonly disable?: boolean };
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const compose = load(readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8')) as Compose;
const services = Object.entries(compose.services);
const SECRETS = {
  'shard-urls': 'postgres://c:x@shard-1/c,postgres://c:x@shard-2/c',
  'jwt-secret': 'x'.repeat(40),
};
const IMAGE = imageEnvironment();

// Names of parts in the way of draft 4, which nothing refers to by them.
const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/compose-spec.json'), 'utf8'),
  (key, value: unknown) => (['id', '$schema'].includes(key) && typeof value === 'string' ? undefined : value),
) as object;
const validate = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
function faultsOf(document: unknown): string[] {
  validate(document);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe('deploy/compose.yaml', () => {
  it('is what the Compose Specification says', () => {
    expect(faultsOf(compose)).toEqual([]);
    expect(faultsOf({ services: { site: { image: 'x', enviroment: {} } } })).not.toEqual([]);
    expect(faultsOf({ services: { site: { image: 'x', ports: 3000 } } })).not.toEqual([]);
  });

  it('names services, volumes and files that there are', () => {
    for (const [name, { depends_on: needs = [], volumes = [] }] of services) {
      for (const needed of Array.isArray(needs) ? (needs as string[]) : Object.keys(needs)) {
        expect([name, needed, needed in compose.services]).toEqual([name, needed, true]);
      }
      for (const volume of volumes) {
        const source = volume.split(':')[0]!;
        const known = source.startsWith('.') ? existsSync(join(DEPLOY, source)) : source in compose.volumes;
        expect([name, source, known]).toEqual([name, source, true]);
      }
    }
  });

  it('waits only for services that say how they are', () => {
    for (const [, { depends_on: needs = {} }] of services) {
      for (const [needed, { condition }] of Array.isArray(needs)
        ? []
        : Object.entries(needs as Record<string, { condition: string }>)) {
        const { healthcheck, image } = compose.services[needed]!;
        const checked = image === 'conduit' ? healthcheck?.disable !== true : healthcheck !== undefined;
        const ends = ['secrets', 'migrate', 'topics'].includes(needed);
        expect([needed, condition]).toEqual([
          needed,
          ends ? 'service_completed_successfully' : checked ? 'service_healthy' : 'service_started',
        ]);
      }
    }
  });

  it('sets variables that the site knows, to values it takes, and no secret', () => {
    const { environment = {} } = compose.services['site']!;
    expect(unknownVariables(environment)).toEqual([]);
    for (const secret of ['SHARD_URLS', 'JWT_SECRET', 'CONTROL_URL'])
      expect(environment).not.toHaveProperty(secret);
    const config = configOf({ ...IMAGE, ...environment }, SECRETS);
    expect(unknownVariables(IMAGE)).toEqual([]);
    expect(config).toMatchObject({
      production: true,
      host: '0.0.0.0',
      opsHost: '0.0.0.0',
      kafkaBrokers: ['kafka:9092'],
      redisUrl: 'redis://redis:6379',
      migrateAtStart: false,
    });
    expect(config.shardUrls).toHaveLength(2);
    for (const name of ['migrate', 'topics'])
      expect(compose.services[name]!.environment).toEqual(environment);
  });

  it('has brokers and stores where the site looks for them', () => {
    const { environment = {} } = compose.services['site']!;
    const hosts = ['KAFKA_BROKERS', 'REDIS_URL', 'ETCD_ENDPOINTS'].map(
      (name) => /(?:^|\/\/)([\w-]+):\d+$/.exec(environment[name]!)?.[1],
    );
    expect(hosts.filter((host) => host === undefined || !(host in compose.services))).toEqual([]);
  });

  it('lets the site stop in order, and write nowhere', () => {
    const site = compose.services['site']!;
    const config = configOf({ ...IMAGE, ...site.environment }, SECRETS);
    const graceMs = Number(/^(\d+)s$/.exec(site.stop_grace_period!)![1]) * 1_000;
    expect(graceMs).toBeGreaterThan(config.drainDelayMs + Math.max(config.requestDeadlineMs, 10_000) + 5_000);
    expect(site).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
  });

  it('opens the edge alone to others than this machine, and takes images by their versions', () => {
    const open = services.flatMap(([name, { ports = [] }]) =>
      ports.filter((port) => !port.startsWith('127.0.0.1:')).map((port) => `${name} ${port}`),
    );
    expect(open).toEqual(['edge 8080:8080']);
    for (const [name, { image }] of services) {
      expect([name, image]).toEqual([
        name,
        image === 'conduit' ? image : expect.stringMatching(/:v?\d+\.\d+/),
      ]);
    }
  });

  it("gives the edge's templates a value for each of their places", () => {
    const { environment = {}, volumes = [] } = compose.services['edge']!;
    const templates = volumes
      .map((volume) => volume.split(':'))
      .filter(([, target]) => target!.startsWith('/templates/'));
    expect(templates.map(([, target]) => target)).toContain('/templates/nginx.conf.template');
    const missing = templates.flatMap(([source]) => {
      const text = readFileSync(join(DEPLOY, source!), 'utf8').replace(/^\s*#.*$/gm, '');
      return [...text.matchAll(/\$\{(\w+)\}/g)]
        .map(([, place]) => place!)
        .filter((place) => !(place in environment));
    });
    expect(missing).toEqual([]);
    const { LISTEN } = environment as { LISTEN: string };
    expect(compose.services['edge']!.ports![0]!.endsWith(`:${LISTEN}`)).toBe(true);
    expect(readFileSync(join(DEPLOY, 'compose/upstream.conf'), 'utf8')).toContain(
      `server site:${IMAGE['PORT']} `,
    );
  });
});

describe('deploy/make-secrets.mjs', () => {
  const script = join(DEPLOY, 'make-secrets.mjs');
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'rookery-secrets-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('makes secrets that the site takes, and keeps them', () => {
    const make = () => {
      execFileSync(process.execPath, [script, folder, 'shard-1', 'shard-2']);
      return Object.fromEntries(
        readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
      );
    };
    const made = make();
    expect(Object.keys(made).toSorted()).toEqual(['jwt-secret', 'postgres-password', 'shard-urls']);
    const environment = { ...IMAGE, ...compose.services['site']!.environment };
    const { shardUrls, jwtSecret } = configOf(environment, made);
    expect(shardUrls!.map((url) => new URL(url).hostname)).toEqual(['shard-1', 'shard-2']);
    expect(shardUrls!.map((url) => new URL(url).password)).toEqual(
      shardUrls!.map(() => made['postgres-password']),
    );
    expect(jwtSecret).toBe(made['jwt-secret']);
    expect(make()).toEqual(made);
  });
});
