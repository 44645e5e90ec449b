import { Sharded } from '@rookery/sharding';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A registered user, in the slot of its own id. Username and e-mail are held once in the cluster by the directory. */
@Sharded({ key: 'id' })
@Entity('users')
export class UserEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  username!: string;

  @Column('text')
  email!: string;

  @Column('text', { name: 'password_hash' })
  passwordHash!: string;

  @Column('text', { nullable: true })
  bio!: string | null;

  @Column('text', { nullable: true })
  image!: string | null;
}
