import { globalMigration } from '../global/global-migration.js';
import { defineMigration, type Migration } from '../migrations/migration.js';

/** First argument of the advisory locks that stand for slots. */
export const SLOT_LOCK_SPACE = 7734;

/** SQLSTATEs raised by the functions below. */
export const SQLSTATE_STALE_ROUTE = 'RK001';
export const SQLSTATE_SLOT_CLOSED = 'RK002';
export const SQLSTATE_FOREIGN_SLOT = 'RK003';

const slots = defineMigration({
  id: 'rookery-0001-slots',
  up: `
CREATE TABLE rookery_identity (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  cluster uuid NOT NULL,
  shard text NOT NULL
);

-- The authority: which slots this database owns, and whether they take writes.
CREATE TABLE rookery_slot (
  slot smallint PRIMARY KEY CHECK (slot BETWEEN 0 AND 4095),
  epoch bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'closed'))
);

CREATE TABLE rookery_slot_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version bigint NOT NULL
);
INSERT INTO rookery_slot_version (version) VALUES (1);

-- The published map, used in the control database only: what tells who owns a slot whose shard does not answer.
CREATE TABLE rookery_map (
  slot smallint PRIMARY KEY CHECK (slot BETWEEN 0 AND 4095),
  shard text NOT NULL,
  epoch bigint NOT NULL
);

-- The slot in the rand_a field of a UUIDv7.
CREATE FUNCTION rookery_slot_of(id uuid) RETURNS smallint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (((get_byte(uuid_send(id), 6) & 15) << 8) | get_byte(uuid_send(id), 7))::smallint;

-- The slot of a natural key.
CREATE FUNCTION rookery_slot_of_key(key text) RETURNS smallint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (hashtext(key) & 4095)::smallint;

-- A new id in a slot.
CREATE FUNCTION rookery_new_id(slot int) RETURNS uuid
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE AS $$
BEGIN
  IF slot NOT BETWEEN 0 AND 4095 THEN
    RAISE EXCEPTION 'a slot is an integer from 0 to 4095, not %', slot USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN overlay(uuidv7()::text PLACING lpad(to_hex(slot), 3, '0') FROM 16 FOR 3)::uuid;
END $$;

-- Changing a slot's row waits for every transaction that writes the slot, and holds new ones until the change is
-- committed. So even an UPDATE typed by hand cannot take a slot away from under a writer.
CREATE FUNCTION rookery_slot_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(${SLOT_LOCK_SPACE}, OLD.slot);
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER rookery_slot_lock BEFORE UPDATE OR DELETE ON rookery_slot
  FOR EACH ROW EXECUTE FUNCTION rookery_slot_lock();

CREATE FUNCTION rookery_slot_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE rookery_slot_version SET version = version + 1;
  PERFORM pg_notify('rookery_map', '');
  RETURN NULL;
END $$;
CREATE TRIGGER rookery_slot_changed AFTER INSERT OR UPDATE OR DELETE ON rookery_slot
  FOR EACH STATEMENT EXECUTE FUNCTION rookery_slot_changed();

-- First layer of the fence, sent with BEGIN: the slot is open here under the epoch the router believes in, and stays so
-- until this transaction ends. Under READ COMMITTED the plain SELECT sees what was committed before the lock was had;
-- under a stricter level its snapshot may be older than the lock, so the row itself is locked. It is locked first, since an
-- UPDATE has the row before its trigger asks for the lock: the other order would be a deadlock.
CREATE FUNCTION rookery_begin(p_slot int, p_epoch bigint, p_timeout_ms int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_epoch bigint;
  v_state text;
BEGIN
  PERFORM set_config('statement_timeout', p_timeout_ms::text, true),
          set_config('rookery.slot', p_slot::text, true);
  IF current_setting('transaction_isolation') = 'read committed' THEN
    PERFORM pg_advisory_xact_lock_shared(${SLOT_LOCK_SPACE}, p_slot);
    SELECT epoch, state INTO v_epoch, v_state FROM rookery_slot WHERE slot = p_slot;
  ELSE
    SELECT epoch, state INTO v_epoch, v_state FROM rookery_slot WHERE slot = p_slot FOR SHARE;
    PERFORM pg_advisory_xact_lock_shared(${SLOT_LOCK_SPACE}, p_slot);
  END IF;
  IF v_epoch IS DISTINCT FROM p_epoch THEN
    RAISE EXCEPTION 'slot % is not here under epoch %', p_slot, p_epoch USING ERRCODE = '${SQLSTATE_STALE_ROUTE}';
  ELSIF v_state <> 'open' THEN
    RAISE EXCEPTION 'slot % is closed', p_slot USING ERRCODE = '${SQLSTATE_SLOT_CLOSED}';
  END IF;
END $$;

-- Second layer, on every sharded table: covers statements that did not come through the router, and rows of another slot.
CREATE FUNCTION rookery_fence() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_guarded text := current_setting('rookery.slot', true);
  v_slot smallint;
  v_state text;
BEGIN
  IF v_guarded = 'mover' THEN
    RETURN NULL;
  END IF;
  IF v_guarded <> '' THEN
    SELECT shard_slot INTO v_slot FROM changed WHERE shard_slot <> v_guarded::smallint LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION 'a row of slot % in a transaction on slot %', v_slot, v_guarded
        USING ERRCODE = '${SQLSTATE_FOREIGN_SLOT}';
    END IF;
    RETURN NULL;
  END IF;
  FOR v_slot IN SELECT DISTINCT shard_slot FROM changed ORDER BY 1 LOOP
    SELECT state INTO v_state FROM rookery_slot WHERE slot = v_slot FOR SHARE;
    PERFORM pg_advisory_xact_lock_shared(${SLOT_LOCK_SPACE}, v_slot);
    IF v_state IS DISTINCT FROM 'open' THEN
      RAISE EXCEPTION 'slot % is not open here', v_slot USING ERRCODE = '${SQLSTATE_STALE_ROUTE}';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Makes a table sharded: its generated slot, the index that moves need, and the fence.
-- p_slot is an expression over the table's columns, e.g. 'rookery_slot_of(author_id)'.
CREATE FUNCTION rookery_shard_table(p_table regclass, p_slot text, p_key text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ADD COLUMN shard_slot smallint NOT NULL GENERATED ALWAYS AS (%s) STORED', p_table, p_slot);
  EXECUTE format('CREATE INDEX ON %s (shard_slot, %s)', p_table, p_key);
  PERFORM rookery_fence_table(p_table);
END $$;

CREATE FUNCTION rookery_fence_table(p_table regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER rookery_fence_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION rookery_fence()', p_table);
  EXECUTE format('CREATE TRIGGER rookery_fence_update AFTER UPDATE ON %s REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION rookery_fence()', p_table);
  EXECUTE format('CREATE TRIGGER rookery_fence_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION rookery_fence()', p_table);
END $$;
`,
});

const directory = defineMigration({
  id: 'rookery-0002-directory',
  up: `
-- Who holds a unique value. It lives in the value's slot; the row it points to may live anywhere.
CREATE TABLE rookery_directory (
  kind text NOT NULL,
  value text COLLATE "C" NOT NULL,
  owner uuid NOT NULL,
  operation uuid NOT NULL,
  -- The operation it was held under before its owner reserved it once more.
  previous uuid,
  state text NOT NULL CHECK (state IN ('reserved', 'active')),
  lease_until timestamptz NOT NULL,
  PRIMARY KEY (kind, value)
);
SELECT rookery_shard_table('rookery_directory', 'rookery_slot_of_key(value)', 'kind, value');
CREATE INDEX rookery_directory_reserved ON rookery_directory (kind, value) WHERE state = 'reserved';

-- The outcome of an operation, in its owner's slot: whoever writes it first decides. \`pending\` is what is still to be
-- confirmed and released in other slots; null once that is done.
CREATE TABLE rookery_claim (
  operation uuid PRIMARY KEY,
  owner uuid NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('committed', 'aborted')),
  pending jsonb,
  made_at timestamptz NOT NULL DEFAULT now()
);
SELECT rookery_shard_table('rookery_claim', 'rookery_slot_of(owner)', 'operation');
CREATE INDEX rookery_claim_pending ON rookery_claim (operation) WHERE pending IS NOT NULL;
CREATE INDEX rookery_claim_made_at ON rookery_claim (made_at) WHERE pending IS NULL;

-- What an owner holds and under which operation, in the owner's slot: changed in the same transaction as its row, so that
-- what is released is what the row carried, whoever changed it last. A value that was loaded straight into the directory
-- is held under its owner's id and needs no line here.
CREATE TABLE rookery_holding (
  owner uuid NOT NULL,
  kind text NOT NULL,
  value text COLLATE "C" NOT NULL,
  operation uuid NOT NULL,
  PRIMARY KEY (owner, kind, value)
);
SELECT rookery_shard_table('rookery_holding', 'rookery_slot_of(owner)', 'owner, kind, value');
`,
});

const global = defineMigration({
  id: 'rookery-0003-global',
  up: `
-- Versions of the reference tables that every shard carries a copy of.
CREATE TABLE rookery_global (
  table_name text PRIMARY KEY,
  version bigint NOT NULL
);
`,
});

const fenceByRow = defineMigration({
  id: 'rookery-0005-fence-by-row',
  up: `
-- The fence of a table that is given one row at a time: collecting a statement's rows costs more than a look at the one.
CREATE FUNCTION rookery_fence_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_guarded text := current_setting('rookery.slot', true);
  v_state text;
BEGIN
  IF NEW.shard_slot::text = v_guarded OR v_guarded = 'mover' THEN
    RETURN NULL;
  ELSIF v_guarded <> '' THEN
    RAISE EXCEPTION 'a row of slot % in a transaction on slot %', NEW.shard_slot, v_guarded
      USING ERRCODE = '${SQLSTATE_FOREIGN_SLOT}';
  END IF;
  SELECT state INTO v_state FROM rookery_slot WHERE slot = NEW.shard_slot FOR SHARE;
  PERFORM pg_advisory_xact_lock_shared(${SLOT_LOCK_SPACE}, NEW.shard_slot);
  IF v_state IS DISTINCT FROM 'open' THEN
    RAISE EXCEPTION 'slot % is not open here', NEW.shard_slot USING ERRCODE = '${SQLSTATE_STALE_ROUTE}';
  END IF;
  RETURN NULL;
END $$;

-- From here on, inserts into a sharded table are fenced row by row.
CREATE FUNCTION rookery_fence_inserts_by_row(p_table regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DROP TRIGGER rookery_fence_insert ON %s', p_table);
  EXECUTE format('CREATE TRIGGER rookery_fence_insert AFTER INSERT ON %s
    FOR EACH ROW EXECUTE FUNCTION rookery_fence_row()', p_table);
END $$;
`,
});

/** What every shard needs before the site's own tables. */
export const frameworkMigrations: readonly Migration[] = [
  slots,
  directory,
  global,
  globalMigration,
  fenceByRow,
];
