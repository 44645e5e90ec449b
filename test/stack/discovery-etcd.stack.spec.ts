// needs: etcd
import { execFileSync } from 'node:child_process';
import { startEtcd, type Etcd } from '@rookery/devstack/testing';
import { discoveryErrors, EtcdRegistry, type EtcdRegistryOptions, type Instance } from '@rookery/discovery';
import { eventually, registryContract, replica, Told } from '@rookery/discovery/testing';
import { Etcdctl } from './support/etcdctl.js';

/** Writes the replica twice and forgets all before the second time. */
const COMPACTING = `
const [endpoint, value] = process.argv.slice(1);
const base64 = (text) => Buffer.from(text).toString('base64');
const post = async (path, body) => {
  const answer = await fetch('http://' + endpoint + '/v3/kv/' + path, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
};
const put = () => post('put', { key: base64('/rookery/shop/127.0.0.1:1001'), value: base64(value) });
await put();
const { header } = await put();
await post('compaction', { revision: header.revision, physical: true });`;

registryContract('etcd', async () => {
  const etcd = await startEtcd();
  const ctl = new Etcdctl(etcd.endpoint);
  const registered = new Map<string, Instance>();
  return {
    open: (options) => new EtcdRegistry({ endpoints: [etcd.endpoint], listIntervalMs: 500, ...options }),
    set: async (service, instances) => {
      const gone = [...registered].filter(
        ([, { service: of, id }]) => of === service && !instances.some((instance) => instance.id === id),
      );
      await ctl.deleteAll(gone.map(([key]) => key));
      for (const [key] of gone) registered.delete(key);
      for (const instance of instances) {
        const key = `/rookery/${service}/${instance.id}`;
        if (!registered.has(key)) await ctl.put(key, JSON.stringify(instance));
        registered.set(key, instance);
      }
    },
    outage: { begin: async () => etcd.freeze(), end: async () => etcd.thaw() },
    close: async () => {
      await etcd.close();
    },
  };
});

describe('with an etcd that fails', () => {
  let etcd: Etcd;
  let ctl: Etcdctl;
  let opened: EtcdRegistry[] = [];
  let errors: unknown[];
  /** Calls have their time, however busy the machine is: an etcd that is killed refuses them at once. */
  const open = (options: Partial<EtcdRegistryOptions> = {}): EtcdRegistry => {
    const registry = new EtcdRegistry({
      endpoints: [etcd.endpoint],
      callTimeoutMs: 10_000,
      listIntervalMs: 300,
      onError: (error) => errors.push(error),
      ...options,
    });
    opened.push(registry);
    return registry;
  };
  const watched = (registry = open()): Told => {
    const told = new Told();
    registry.watch('shop', told.listen);
    return told;
  };
  const has = (name: Parameters<typeof discoveryErrors.is>[1]) => (): boolean =>
    errors.some((error) => discoveryErrors.is(error, name));

  beforeEach(async () => {
    errors = [];
    etcd = await startEtcd();
    ctl = new Etcdctl(etcd.endpoint);
  });
  afterEach(async () => {
    await Promise.all(opened.map((registry) => registry.close()));
    opened = [];
    await etcd.close();
  });

  it('a replica that dies without a word vanishes with its lease', async () => {
    const told = watched();
    await open().register(replica('shop', 1));
    await told.comesTo('001');
    await ctl.putDying(replica('shop', 2), 4);
    await told.comesTo('001 002');
    await told.comesTo('001');
  });

  it('killed and started again, it is followed on, and nobody is missed', async () => {
    const told = watched();
    await open().register(replica('shop', 1));
    await told.comesTo('001');
    await etcd.kill();
    await told.comesTo('001?');
    await etcd.start();
    await told.comesTo('001');
    await open().register(replica('shop', 2));
    await told.comesTo('001 002');
    expect(told.snapshots.slice(1).every(({ instances }) => instances.length > 0)).toBe(true);
  });

  it('frozen for longer than leases live, it takes nobody from the list, and all are registered again', async () => {
    const hasty = { ttlSeconds: 2, callTimeoutMs: 500 };
    const told = watched(open(hasty));
    await Promise.all([1, 2, 3].map((n) => open(hasty).register(replica('shop', n))));
    await told.comesTo('001 002 003');
    const soFar = told.snapshots.length;
    etcd.freeze();
    await told.comesTo('001 002 003?');
    await eventually('three lives of a lease', hasPassed(6_000));
    etcd.thaw();
    await told.comesTo('001 002 003');
    expect(told.snapshots.slice(soFar).every(({ instances }) => instances.length === 3)).toBe(true);
    const asked = open();
    await eventually('all to be in etcd', async () => (await asked.instances('shop')).length === 3);
  });

  it('restarted empty, it is told of all replicas again, and no listener sees one missing', async () => {
    const told = watched();
    await Promise.all([1, 2, 3].map((n) => open().register(replica('shop', n))));
    await told.comesTo('001 002 003');
    const soFar = told.snapshots.length;
    await etcd.kill();
    await etcd.startEmpty();
    const asked = open();
    await eventually('all to be in etcd', async () => {
      const found = await asked.instances('shop').catch(() => []);
      return found.length === 3;
    });
    await told.comesTo('001 002 003');
    expect(told.snapshots.slice(soFar).every(({ instances }) => instances.length === 3)).toBe(true);
    expect(has('LEASE_LOST')()).toBe(true);
  });

  it('away when a replica starts, it gets the registration when it is back', async () => {
    await etcd.stop();
    const told = watched();
    const registration = await open({ callTimeoutMs: 500 }).register(replica('shop', 1));
    expect(registration.registered).toBe(false);
    await expect(registration.changeState('draining')).rejects.toMatchObject({
      code: discoveryErrors.codes.AWAY,
    });
    await etcd.start();
    await told.comesTo('001~');
    // Listeners may hear of it before the answer to its own call has come.
    await eventually('it to know', () => registration.registered);
  });

  it('with its history compacted between list and watch, it is listed anew', async () => {
    const value = JSON.stringify(replica('shop', 1));
    const told = new Told();
    // Within the very step from the list to the watch, since it keeps this process from taking it.
    const inBetween = (): void =>
      void execFileSync(process.execPath, ['--input-type=module', '-e', COMPACTING, etcd.endpoint, value]);
    open({ listIntervalMs: 600_000 }).watch('shop', (snapshot) => {
      if (told.snapshots.length === 0) inBetween();
      told.listen(snapshot);
    });
    await told.comesTo('001');
    await ctl.put('/rookery/shop/127.0.0.1:1002', JSON.stringify(replica('shop', 2)));
    await told.comesTo('001 002');
  });

  it('a lease that was revoked, or a key that was deleted, is made anew', async () => {
    const told = watched();
    const registration = await open().register(replica('shop', 1));
    await open().register(replica('shop', 2));
    await told.comesTo('001 002');
    await ctl.revokeLeaseOf('/rookery/shop/127.0.0.1:1001');
    await eventually('the loss to be noticed', has('LEASE_LOST'));
    await eventually('the replica to be back', () => told.ids === '001 002' && registration.registered);
    const soFar = told.snapshots.length;
    await ctl.deleteAll(['/rookery/shop/127.0.0.1:1002']);
    await eventually('the key to be gone and back', () => told.snapshots.length >= soFar + 2);
    await told.comesTo('001 002');
  });

  it('another process takes an id over, and keeps it when the first one leaves', async () => {
    const told = watched();
    const first = await open().register(replica('shop', 1, { version: 'old' }));
    const second = await open().register(replica('shop', 1, { version: 'new' }));
    await eventually('the first one to see it', () => !first.registered);
    await first.changeState('draining');
    await first.deregister();
    expect(second.registered).toBe(true);
    await eventually('the new one to be told', () => told.last?.instances[0]?.version === 'new');
    expect(told.last?.instances).toMatchObject([{ version: 'new', state: 'up' }]);
  });

  it('of several members, one that is away is gone past', async () => {
    const nobody = '127.0.0.1:1';
    const told = watched(open({ endpoints: [nobody, etcd.endpoint] }));
    const registry = open({ endpoints: [nobody, `http://${etcd.endpoint}`] });
    await registry.register(replica('shop', 1));
    await told.comesTo('001');
    expect(await registry.health.check(1_000)).toMatchObject({ details: { member: etcd.endpoint } });
  });

  it('what is no instance, or an address that could end a line of a configuration, is told to nobody', async () => {
    const told = watched();
    await ctl.put('/rookery/shop/a', 'no JSON');
    await ctl.put('/rookery/shop/b', JSON.stringify({ ...replica('shop', 2), address: '127.0.0.1:80; }' }));
    await open().register(replica('shop', 1));
    await told.comesTo('001');
    expect(await open().instances('shop')).toHaveLength(1);
  });

  it('every call ends, frozen as it is', async () => {
    const registry = open({ callTimeoutMs: 500 });
    await registry.register(replica('shop', 1));
    etcd.freeze();
    const started = performance.now();
    await expect(registry.instances('shop')).rejects.toMatchObject({ code: discoveryErrors.codes.AWAY });
    await registry.close();
    expect(performance.now() - started).toBeLessThan(30_000);
  });
});

function hasPassed(ms: number): () => boolean {
  const from = performance.now();
  return () => performance.now() - from > ms;
}
