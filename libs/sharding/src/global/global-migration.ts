import { defineMigration, type Migration } from '../migrations/migration.js';

/** In place of a slot, in transactions on reference data: no row of any slot may be written there. */
export const GLOBAL_SLOT = -1;

/** SQLSTATE of a write to reference data that did not come through the library. */
export const SQLSTATE_GLOBAL_WRITE = 'RK004';

export const globalMigration: Migration = defineMigration({
  id: 'rookery-0004-global-fence',
  up: `
-- A copy that was written by itself would differ from the others, and nobody would know. So only a write of this very
-- table through the library, its copy, or a migration that says SET LOCAL rookery.global = '*' gets through.
CREATE FUNCTION rookery_global_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('rookery.global', true) IN ('*', TG_RELID::regclass::text) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'reference data in % is written by its own write only', TG_RELID::regclass
    USING ERRCODE = '${SQLSTATE_GLOBAL_WRITE}';
END $$;

-- Makes a table reference data. Rows that a migration puts in before this call are the same on every shard by themselves.
CREATE FUNCTION rookery_global_table(p_table regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = p_table AND indisprimary) THEN
    RAISE EXCEPTION 'reference table % needs a primary key', p_table;
  END IF;
  EXECUTE format('CREATE TRIGGER rookery_global_fence BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
    FOR EACH STATEMENT EXECUTE FUNCTION rookery_global_fence()', p_table);
END $$;
`,
});
