import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { HEALTH_ROUTES } from '@rookery/observability';
import { configOf, imageEnvironment, unknownVariables } from './environment.js';
import { kustomize, type Fields, type Json, type Manifest } from './kustomize.js';

/** The manifests against Kubernetes' own schemas, against each other, and against what the site does. */
const FOLDER = join(import.meta.dirname, '../../deploy/kubernetes');
/** Longest that the site waits for requests under way before it cuts them. */
const CUT_AFTER_MS = 10_000;

interface Schemas {
  readonly kinds: Readonly<Record<string, Record<string, unknown>>>;
  readonly $defs: Record<string, unknown>;
}
const schemas = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/kubernetes-1.34.json'), 'utf8'),
) as Schemas;
const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });

const validators = new Map<string, ValidateFunction>();

function faultsOf(manifest: Manifest): string[] {
  const kind = schemas.kinds[manifest.kind];
  if (!kind) return [`${manifest.kind} has no schema here`];
  const validate = validators.get(manifest.kind) ?? ajv.compile({ ...kind, $defs: schemas.$defs });
  validators.set(manifest.kind, validate);
  validate(manifest);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${manifest.kind} ${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

/** `at(manifest, 'spec.template.spec')`; a number is a place in a list. */
function at(value: Json, path: string): Json {
  return path.split('.').reduce<Json>((inner, key) => (inner as Fields | undefined)?.[key], value);
}
const list = (value: Json, path: string) => (at(value, path) ?? []) as readonly Fields[];

describe.each(['base', 'overlays/production'])('deploy/kubernetes/%s', (name) => {
  const manifests = kustomize(join(FOLDER, name));
  const of = (kind: string) => manifests.filter((one) => one.kind === kind);
  const [deployment] = of('Deployment') as [Manifest];
  const [job] = of('Job') as [Manifest];
  const container = list(deployment, 'spec.template.spec.containers')[0]!;
  const data = at(of('ConfigMap')[0], 'data') as Record<string, string>;
  const ports = new Map(list(container, 'ports').map((port) => [port['name'], port['containerPort']]));
  const environment = Object.fromEntries(
    list(container, 'env').map((one) => [one['name'], one['value'] ?? 'from the pod']),
  ) as Record<string, string>;

  it('is what Kubernetes takes', () => {
    expect(manifests.length).toBeGreaterThan(8);
    expect(manifests.flatMap(faultsOf)).toEqual([]);
  });

  it('names each thing once', () => {
    const names = manifests.map((one) => `${one.kind} ${one.metadata.name}`);
    expect(names.filter((one, i) => names.indexOf(one) !== i)).toEqual([]);
  });

  it('selects pods that exist, and the migration nowhere but where its way out is let', () => {
    const site = at(deployment, 'spec.template.metadata.labels') as Fields;
    const migration = at(job, 'spec.template.metadata.labels') as Fields;
    const selects = (selector: Json, labels: Fields) =>
      Object.entries(selector as Fields).every(([key, value]) => labels[key] === value);
    const selectors: [string, Json][] = [
      ['Deployment', at(deployment, 'spec.selector.matchLabels')],
      ...of('Service').map((one): [string, Json] => [one.metadata.name, at(one, 'spec.selector')]),
      ...of('PodDisruptionBudget').map((one): [string, Json] => [
        'PDB',
        at(one, 'spec.selector.matchLabels'),
      ]),
      ...of('NetworkPolicy').map((one): [string, Json] => [
        one.metadata.name,
        at(one, 'spec.podSelector.matchLabels'),
      ]),
      ...list(deployment, 'spec.template.spec.topologySpreadConstraints').map((one): [string, Json] => [
        'spread',
        at(one, 'labelSelector.matchLabels'),
      ]),
    ];
    expect(selectors.length).toBeGreaterThan(8);
    expect(selectors.filter(([, selector]) => !selects(selector, site))).toEqual([]);
    expect(selectors.filter(([, selector]) => selects(selector, migration)).map(([what]) => what)).toEqual([
      'conduit-egress',
    ]);
    expect(at(of('HorizontalPodAutoscaler')[0], 'spec.scaleTargetRef')).toEqual({
      apiVersion: deployment.apiVersion,
      kind: deployment.kind,
      name: deployment.metadata.name,
    });
  });

  it('has ports under one name for the container, its probes, the services and the policies', () => {
    expect(Object.fromEntries(ports)).toEqual({
      http: Number(environment['PORT']),
      operations: Number(environment['OPS_PORT']),
      grpc: Number(environment['GRPC_PORT']),
    });
    const targets = [
      ...of('Service').flatMap((one) => list(one, 'spec.ports').map((port) => port['targetPort'])),
      ...list(
        of('NetworkPolicy').find((one) => one.metadata.name === 'conduit-ingress'),
        'spec.ingress',
      ).flatMap((rule) => list(rule, 'ports').map((port) => port['port'])),
    ];
    expect(new Set(targets)).toEqual(new Set(ports.keys()));
    expect(targets.filter((port) => !ports.has(port as string))).toEqual([]);
    expect(at(deployment, 'spec.template.metadata.annotations')).toMatchObject({
      'prometheus.io/port': environment['OPS_PORT'],
    });
  });

  it('asks for health where the site answers, each probe its own question', () => {
    const asked = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) =>
      at(container, `${probe}.httpGet`),
    );
    expect(asked).toEqual(
      ['started', 'live', 'ready'].map((path) => ({ path: `/health/${path}`, port: 'http' })),
    );
    for (const question of asked) {
      expect(HEALTH_ROUTES.map((route) => `/${route}`)).toContain((question as Fields)['path']);
    }
  });

  it('has the time to drop nothing: preStop, drain, requests under way and the cut fit into the grace', () => {
    const config = configOf({ ...imageEnvironment(), ...data, ...environment }, SECRETS);
    const preStopMs = Number(at(container, 'lifecycle.preStop.sleep.seconds')) * 1_000;
    const graceMs = Number(at(deployment, 'spec.template.spec.terminationGracePeriodSeconds')) * 1_000;
    expect(preStopMs).toBeGreaterThan(0);
    const readinessMs = Number(at(container, 'readinessProbe.periodSeconds')) * 1_000;
    // Seen as not ready at least once before it closes.
    expect(config.drainDelayMs).toBeGreaterThan(readinessMs);
    const needed = preStopMs + config.drainDelayMs + Math.max(config.requestDeadlineMs, CUT_AFTER_MS);
    expect(graceMs).toBeGreaterThan(needed + 5_000);
  });

  it('sets variables that the site knows, to values it takes', () => {
    expect(unknownVariables({ ...data, ...environment })).toEqual([]);
    const config = configOf({ ...imageEnvironment(), ...data, ...environment }, SECRETS);
    expect(config).toMatchObject({
      production: true,
      migrateAtStart: false,
      trustProxy: true,
      host: '0.0.0.0',
      opsHost: '0.0.0.0',
      port: 3000,
      grpc: { host: '0.0.0.0', port: 50_051 },
    });
  });

  it('takes secrets from files of a Secret, and puts none into the environment', () => {
    const mounts = list(container, 'volumeMounts');
    const folder = String(mounts.find((mount) => mount['name'] === 'secrets')?.['mountPath']);
    const files = Object.entries(data).filter(([key]) => key.endsWith('_FILE'));
    expect(files.map(([, path]) => path.slice(0, path.lastIndexOf('/')))).toEqual(files.map(() => folder));
    for (const secret of ['SHARD_URLS', 'CONTROL_URL', 'JWT_SECRET', 'REDIS_URL']) {
      expect([secret, secret in data || secret in environment]).toEqual([secret, false]);
    }
    for (const pod of [deployment, job]) {
      expect(list(pod, 'spec.template.spec.volumes')).toEqual([
        { name: 'secrets', secret: { secretName: 'conduit', defaultMode: 0o440 } },
      ]);
      expect(list(pod, 'spec.template.spec.containers')[0]!['volumeMounts']).toEqual(mounts);
    }
  });

  it('gives no pod more than it needs', () => {
    for (const pod of [deployment, job]) {
      const spec = at(pod, 'spec.template.spec') as Fields;
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 10_001,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      for (const one of list(spec, 'containers')) {
        expect(one).toMatchObject({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: {
            requests: { cpu: expect.any(String) as string, memory: expect.any(String) as string },
          },
        });
        expect(at(one, 'resources.limits.memory')).toBe(at(one, 'resources.requests.memory'));
      }
    }
  });

  it('leaves memory beside the heap', () => {
    const heapMiB = Number(/--max-old-space-size=(\d+)/.exec(environment['NODE_OPTIONS']!)?.[1]);
    expect(heapMiB).toBeLessThanOrEqual(mebibytes(String(at(container, 'resources.limits.memory'))) / 2);
  });

  it('never goes below what serves now, when rolled out or when nodes are emptied', () => {
    expect(at(deployment, 'spec.strategy.rollingUpdate')).toEqual({ maxUnavailable: 0, maxSurge: 1 });
    expect(at(of('PodDisruptionBudget')[0], 'spec.maxUnavailable')).toBe(1);
    expect(at(of('HorizontalPodAutoscaler')[0], 'spec.minReplicas')).toBeGreaterThanOrEqual(2);
    expect(at(deployment, 'spec.replicas')).toBeUndefined();
  });

  it('applies with the migration, before the rest, all that it needs', () => {
    const first = manifests.filter((one) =>
      ['configuration', 'migration'].includes(
        String((at(one, 'metadata.labels') as Fields)['app.kubernetes.io/component']),
      ),
    );
    const spec = at(job, 'spec.template.spec') as Fields;
    expect(first.map((one) => `${one.kind} ${one.metadata.name}`).toSorted()).toEqual([
      `ConfigMap ${String(at(list(spec, 'containers')[0], 'envFrom.0.configMapRef.name'))}`,
      `Job ${job.metadata.name}`,
      `ServiceAccount ${String(spec['serviceAccountName'])}`,
    ]);
  });

  it("runs the migration by a command of the image's", () => {
    const command = list(job, 'spec.template.spec.containers')[0]!['command'] as readonly string[];
    expect(command).toEqual(['node', 'dist/src/cli.js', 'migrate', 'up']);
    expect(
      existsSync(join(FOLDER, '../..', command[1]!.replace(/^dist\//, '').replace(/\.js$/, '.ts'))),
    ).toBe(true);
    expect(container['image']).toBe(list(job, 'spec.template.spec.containers')[0]!['image']);
  });
});

const SECRETS = {
  'shard-urls': 'postgres://conduit:x@pg-1/conduit,postgres://conduit:x@pg-2/conduit',
  'redis-url': 'redis://redis:6379',
  'jwt-keys.json': '{}',
};

function mebibytes(quantity: string): number {
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity) ?? [];
  return Number(number) * (unit === 'Gi' ? 1_024 : 1);
}

describe('the production overlay', () => {
  it('changes what it means to change', () => {
    const manifests = kustomize(join(FOLDER, 'overlays/production'));
    const deployment = manifests.find(({ kind }) => kind === 'Deployment')!;
    const [zones, hosts] = list(deployment, 'spec.template.spec.topologySpreadConstraints');
    expect([zones!['whenUnsatisfiable'], hosts!['whenUnsatisfiable']]).toEqual([
      'DoNotSchedule',
      'ScheduleAnyway',
    ]);
    const [container] = list(deployment, 'spec.template.spec.containers');
    expect(container).toMatchObject({ image: expect.stringMatching(/^registry.*:\d/) as string });
    expect(list(container, 'env').map((one) => one['name'])).toContain('REPLICA_ID');
    expect(
      at(
        manifests.find(({ kind }) => kind === 'ConfigMap'),
        'data',
      ),
    ).toMatchObject({
      CORS_ORIGINS: 'https://conduit.example.com',
      POOL_MAX: '10',
    });
    const inside = manifests.filter(({ kind }) => kind !== 'Namespace');
    expect(inside.map(({ metadata }) => metadata['namespace'])).toEqual(inside.map(() => 'conduit'));
  });
});

describe('what a variable is checked by', () => {
  it('finds one that nobody reads', () => {
    expect(
      unknownVariables({ POOL_MAX: '1', SHARD_URLS_FILE: 'x', POOLMAX: '1', POOL_MAX_FILE: 'x' }),
    ).toEqual(['POOLMAX', 'POOL_MAX_FILE']);
  });
  it('finds a value that the site does not take', () => {
    expect(() => configOf({ POOL_MAX: 'many' }, {})).toThrow(/POOL_MAX/);
  });
});

describe('the schemas', () => {
  it.each([
    ['a field that is misspelt', { spec: { replica: 3 } }, /replica/],
    ['a value of another type', { spec: { minReadySeconds: 'five' } }, /minReadySeconds/],
    ['a kind of another version', { apiVersion: 'apps/v1beta1' }, /apiVersion/],
  ])('find %s', (_, change, fault) => {
    const deployment = kustomize(join(FOLDER, 'base')).find(({ kind }) => kind === 'Deployment')!;
    const spec = { ...(deployment['spec'] as Fields), ...(change as { spec?: Fields }).spec };
    const [first] = faultsOf({ ...deployment, ...change, spec });
    expect(first).toMatch(fault);
  });
});
