import type { Instance, Registry, Snapshot } from '@rookery/discovery';
import { registeredInstances } from './registered-instances.js';

const instance = (id: string, more: Partial<Instance> = {}): Instance => ({
  service: 'notes',
  id,
  address: `${id}:80`,
  state: 'up',
  ...more,
});

/** A registry that says what a test has it say. */
function registry() {
  let tell: (snapshot: Snapshot) => void = () => undefined;
  let stopped = 0;
  const watch: Registry['watch'] = (_service, listener) => {
    tell = listener;
    return { snapshot: undefined, stop: () => void (stopped += 1) };
  };
  return {
    watch,
    say: (...instances: Instance[]) => tell({ service: 'notes', instances, stale: false }),
    stopped: () => stopped,
  };
}

it('the replicas of a registry are called where they say, and those that drain only if nobody else is there', () => {
  const from = registry();
  const told: (readonly string[])[] = [];
  const end = registeredInstances(from, 'notes').subscribe((addresses) => told.push(addresses));
  from.say(
    instance('a', { metadata: { grpc: 'a:50051' } }),
    instance('b'),
    instance('c', { state: 'draining' }),
  );
  from.say(instance('c', { state: 'draining' }));
  from.say();
  expect(told).toEqual([['a:50051', 'b:80'], ['c:80'], []]);
  end();
  expect(from.stopped()).toBe(1);
});
