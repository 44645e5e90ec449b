import { shardingErrors } from '../sharding.errors.js';

/** Any class mapped by TypeORM. */
export type EntityClass = new (...args: never[]) => object;
export type RowOf<E extends EntityClass> = InstanceType<E>;

export type Placement = { readonly kind: 'sharded'; readonly key: string } | { readonly kind: 'global' };

const placements = new WeakMap<EntityClass, Placement>();

/**
 * An entity whose rows live in the slot of the id in `key` (its own id, or that of what it belongs to). The key of a row
 * never changes. Its table is made sharded in a migration by `rookery_shard_table`.
 */
export function Sharded(options: { readonly key: string }) {
  return (target: EntityClass): void => {
    placements.set(target, { kind: 'sharded', key: options.key });
  };
}

/** Reference data: small, seldom written, copied whole to every shard so that it can be joined anywhere. */
export function Global() {
  return (target: EntityClass): void => {
    placements.set(target, { kind: 'global' });
  };
}

/** @throws RK_SHARDING_NOT_SHARDED */
export function placementOf(entity: EntityClass): Placement {
  const placement = placements.get(entity);
  if (!placement) throw shardingErrors.create('NOT_SHARDED', { data: { entity: entity.name } });
  return placement;
}
