import type { Instance, Snapshot } from './registry.js';
import { ServiceView } from './service-view.js';
import { replica } from './testing/registry-contract.js';

describe('what is known of a service', () => {
  let now = 0;
  let told: Snapshot[] = [];
  let view: ServiceView;
  const [one, two, three] = [1, 2, 3].map((n) => replica('shop', n)) as [Instance, Instance, Instance];
  const last = (): string =>
    `${told
      .at(-1)!
      .instances.map(({ id }) => id.slice(-1))
      .join('')}${told.at(-1)!.stale ? '?' : ''}`;

  beforeEach(() => {
    now = 0;
    told = [];
    view = new ServiceView({
      service: 'shop',
      graceMs: 10_000,
      clock: { now: () => now, monotonic: () => now },
      onChange: (snapshot) => told.push(snapshot),
    });
  });
  afterEach(() => view.stop());

  it('is nothing until the registry has spoken, also when it is away', () => {
    view.lost();
    expect(told).toEqual([]);
    view.update([one]);
    expect(last()).toBe('1');
  });

  it('changes at once when some go, and is told once for each change', () => {
    view.update([one, two]);
    view.update([two, one].reverse());
    view.update([two]);
    expect(told).toHaveLength(2);
    expect(last()).toBe('2');
  });

  it('stays for the grace time when all go, however many messages that comes in', () => {
    view.update([one, two, three]);
    view.update([]);
    expect(last()).toBe('123?');
    now = 9_000;
    view.update([two]);
    expect(last()).toBe('123?');
    now = 10_001;
    view.update([two]);
    expect(last()).toBe('2');
  });

  it('stays while the registry is away, and for the grace time after that, though leases have run out', () => {
    view.update([one, two, three]);
    view.lost();
    now = 60_000;
    view.update([one, two, three]);
    view.update([one]);
    expect(last()).toBe('123?');
    view.update([one, two, three]);
    expect(last()).toBe('123');
    now = 70_001;
    view.update([one]);
    expect(last()).toBe('1');
  });

  it('is held from the return on, however long the registry was away meanwhile', () => {
    view.update([one, two]);
    view.update([]);
    now = 5_000;
    view.lost();
    now = 60_000;
    view.update([]);
    expect(last()).toBe('12?');
    now = 70_001;
    view.update([]);
    expect(last()).toBe('');
  });

  it('is held, too, when the registry has forgotten what it said', () => {
    view.update([one, two]);
    view.update([one], true);
    expect(last()).toBe('12?');
  });

  it('does not hold who was draining, nor an old name of an address that is there', () => {
    view.update([{ ...one, state: 'draining' }, two]);
    view.update([{ ...two, id: 'renamed' }]);
    expect(told.at(-1)!.instances.map(({ id }) => id)).toEqual(['renamed']);
    view.update([]);
    expect(told.at(-1)!.instances.map(({ id }) => id)).toEqual(['renamed']);
  });
});
