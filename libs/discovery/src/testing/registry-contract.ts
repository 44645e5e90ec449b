import { setTimeout as pause } from 'node:timers/promises';
import { discoveryErrors } from '../discovery.errors.js';
import type { Instance, Registry, RegistryOptions, Snapshot } from '../registry.js';
import { eventually } from './eventually.js';

export interface RegistryHarness {
  /** A registry of its own on what all registries of this harness see. */
  open(options?: RegistryOptions): Registry;
  /** From now on `service` has these, each with its address for its id, and the state `up`. */
  set(service: string, instances: readonly Instance[]): Promise<void>;
  /** Makes what is behind the registries unreachable, where there is such a thing. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> };
  close(): Promise<void>;
}

/** `replica('shop', 1)`, reachable for nobody. */
export function replica(service: string, n: number, more: Partial<Instance> = {}): Instance {
  const address = `127.0.0.1:${1_000 + n}`;
  return { service, id: address, address, state: 'up', ...more };
}

/** What was told to a listener, and whether it says what is wanted yet. */
export class Told {
  readonly snapshots: Snapshot[] = [];
  readonly listen = (snapshot: Snapshot): void => void this.snapshots.push(snapshot);

  get last(): Snapshot | undefined {
    return this.snapshots.at(-1);
  }

  /** The ids told last, each with a `~` when it is draining; `?` where what is known is stale. */
  get ids(): string | undefined {
    if (this.last === undefined) return undefined;
    const ids = this.last.instances.map(
      ({ id, state }) => `${id.split(':1').at(-1)}${state === 'up' ? '' : '~'}`,
    );
    return `${ids.join(' ')}${this.last.stale ? '?' : ''}`;
  }

  async comesTo(ids: string): Promise<void> {
    await eventually(`'${ids}' to be told`, () => this.ids === ids).catch((error: Error) => {
      throw new Error(`${error.message}; it was '${this.ids}'`);
    });
  }
}

/** The promises of `Registry`; every driver keeps them. */
export function registryContract(driver: string, make: () => Promise<RegistryHarness>): void {
  describe(`a ${driver} registry`, () => {
    let harness: RegistryHarness;
    let opened: Registry[] = [];
    let count = 0;
    let service: string;
    const open = (options?: RegistryOptions): Registry => {
      // A busy machine takes its time; who tries what is away says how long it is waited for.
      const registry = harness.open({ callTimeoutMs: 20_000, ...options });
      opened.push(registry);
      return registry;
    };
    const isUp = (registry: Registry): Promise<void> =>
      eventually('the registry to be up', async () => (await registry.health.check(1_000)).status === 'up');
    const watch = (registry: Registry, name = service): Told => {
      const told = new Told();
      registry.watch(name, told.listen);
      return told;
    };

    beforeAll(async () => (harness = await make()));
    beforeEach(() => (service = `shop-${(count += 1)}`));
    afterEach(async () => {
      await Promise.all(opened.map((registry) => registry.close()));
      opened = [];
    });
    afterAll(() => harness.close());

    it('tells who is there, by id, and not from within `watch`', async () => {
      await harness.set(service, [replica(service, 2), replica(service, 1)]);
      const told = watch(open());
      expect(told.snapshots).toEqual([]);
      await told.comesTo('001 002');
      expect(told.last).toMatchObject({ service, stale: false });
    });

    it('tells of a service that has nobody', async () => {
      await watch(open()).comesTo('');
    });

    it('tells who comes and who goes', async () => {
      await harness.set(service, [replica(service, 1)]);
      const told = watch(open());
      await told.comesTo('001');
      await harness.set(service, [replica(service, 1), replica(service, 2), replica(service, 3)]);
      await told.comesTo('001 002 003');
      await harness.set(service, [replica(service, 3)]);
      await told.comesTo('003');
    });

    it('keeps services apart, and listeners', async () => {
      const other = `${service}-other`;
      await harness.set(service, [replica(service, 1)]);
      await harness.set(other, [replica(other, 2)]);
      const registry = open();
      const [one, two] = [watch(registry), watch(registry, other)];
      await Promise.all([one.comesTo('001'), two.comesTo('002')]);
      const [stopped, goesOn] = [new Told(), new Told()];
      const first = registry.watch(service, stopped.listen);
      const second = registry.watch(service, goesOn.listen);
      await Promise.all([stopped.comesTo('001'), goesOn.comesTo('001')]);
      first.stop();
      await harness.set(service, [replica(service, 1), replica(service, 3)]);
      await goesOn.comesTo('001 003');
      expect(second.snapshot?.instances).toHaveLength(2);
      expect(stopped.ids).toBe('001');
      expect(two.snapshots).toHaveLength(1);
    });

    it('answers once, when asked once', async () => {
      await harness.set(service, [replica(service, 1)]);
      const registry = open();
      expect((await registry.instances(service)).map(({ address }) => address)).toEqual(['127.0.0.1:1001']);
      expect(await registry.instances(`${service}-none`)).toEqual([]);
    });

    it('does not tell before the grace time that all have gone at once', async () => {
      await harness.set(service, [replica(service, 1), replica(service, 2)]);
      const told = watch(open({ graceMs: 600 }));
      await told.comesTo('001 002');
      await harness.set(service, []);
      await told.comesTo('');
      // While they went one by one, the last one was held; together, both were. Never was there nobody, and no doubt of it.
      const before = told.snapshots.slice(1, -1);
      expect(before.at(-1)?.stale).toBe(true);
      expect(before.every(({ instances }) => instances.length > 0)).toBe(true);
    });

    it('holds those who went at once, each until it comes back', async () => {
      await harness.set(service, [replica(service, 1)]);
      const told = watch(open({ graceMs: 600_000 }));
      await told.comesTo('001');
      await harness.set(service, []);
      await told.comesTo('001?');
      await harness.set(service, [replica(service, 2)]);
      await told.comesTo('001 002?');
      await harness.set(service, [replica(service, 1), replica(service, 2)]);
      await told.comesTo('001 002');
    });

    it('says no more when it is closed', async () => {
      await harness.set(service, [replica(service, 1)]);
      const registry = open();
      const told = watch(registry);
      await told.comesTo('001');
      await registry.close();
      await harness.set(service, [replica(service, 1), replica(service, 2)]);
      await watch(open()).comesTo('001 002');
      expect(told.ids).toBe('001');
      const closed = discoveryErrors.codes.CLOSED;
      expect(() => registry.watch(service, told.listen)).toThrow(expect.objectContaining({ code: closed }));
      await expect(registry.instances(service)).rejects.toMatchObject({ code: closed });
    });

    it('keeps what it knew while nobody can be asked, and follows when somebody can', async () => {
      // A list in the process itself is never away.
      if (harness.outage === undefined) return expect(driver).toBe('static');
      await harness.set(service, [replica(service, 1), replica(service, 2)]);
      const errors: unknown[] = [];
      const registry = open({ callTimeoutMs: 500, graceMs: 500, onError: (error) => errors.push(error) });
      const told = watch(registry);
      await told.comesTo('001 002');
      await isUp(registry);
      await harness.outage.begin();
      await told.comesTo('001 002?');
      await expect(registry.instances(service)).rejects.toMatchObject({ code: discoveryErrors.codes.AWAY });
      // Longer than the grace time: that is for an answer that says nobody, and there is none.
      await pause(700);
      expect(told.ids).toBe('001 002?');
      expect(errors.every((error) => discoveryErrors.is(error, 'AWAY'))).toBe(true);
      expect(await registry.health.check(1_000)).toMatchObject({ status: 'degraded' });
      const late = watch(open({ callTimeoutMs: 500 }));
      await pause(200);
      expect(late.snapshots).toEqual([]);
      await harness.outage.end();
      await Promise.all([told.comesTo('001 002'), late.comesTo('001 002')]);
      await isUp(registry);
      return undefined;
    });

    it('registers, or says that it cannot', async () => {
      const registry = open();
      const instance = replica(service, 1, {
        opsAddress: '127.0.0.1:2001',
        version: '1.2.3',
        metadata: { zone: 'a' },
      });
      if (!registry.capabilities.registers) {
        await expect(registry.register(instance)).rejects.toMatchObject({
          code: discoveryErrors.codes.READ_ONLY,
        });
        return;
      }
      const told = watch(open());
      const registration = await registry.register(instance);
      expect(registration.registered).toBe(true);
      await told.comesTo('001');
      expect(told.last?.instances).toEqual([instance]);
      const second = await open().register(replica(service, 2));
      await told.comesTo('001 002');
      await registration.changeState('draining');
      await told.comesTo('001~ 002');
      await registration.deregister();
      await told.comesTo('002');
      await expect(registration.changeState('up')).rejects.toMatchObject({
        code: discoveryErrors.codes.CLOSED,
      });
      expect(second.registered).toBe(true);
    });
  });
}
