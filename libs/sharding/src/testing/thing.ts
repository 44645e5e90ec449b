import { Column, Entity, PrimaryColumn } from 'typeorm';
import { newId, type Id } from '@rookery/kernel';
import { defineMigration } from '../migrations/migration.js';
import { prepared } from '../pool/statement.js';
import { Sharded } from '../repository/sharded.decorator.js';

/** The entity of the library's own tests. */
@Sharded({ key: 'id' })
@Entity('thing')
export class Thing {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;
}

export const things = defineMigration({
  id: 'thing-0001',
  up: `CREATE TABLE thing (id uuid PRIMARY KEY, name text NOT NULL);
       SELECT rookery_shard_table('thing', 'rookery_slot_of(id)', 'id');`,
});

export const insertThing = prepared('thing.insert', 'INSERT INTO thing (id, name) VALUES ($1, $2)');
export const renameThing = prepared('thing.rename', 'UPDATE thing SET name = $2 WHERE id = $1');
export const thingById = prepared('thing.by-id', 'SELECT name FROM thing WHERE id = $1');

export function anyId(): Id {
  return newId(Math.floor(Math.random() * 4096));
}
