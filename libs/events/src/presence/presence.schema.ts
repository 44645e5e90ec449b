import { defineMigration, type Migration } from '@rookery/sharding';

/** First argument of the advisory locks under which replicas register. */
const PRESENCE_LOCK_SPACE = 7738;

export const presence: Migration = defineMigration({
  id: 'rookery-events-0006-presence',
  up: `
-- Replicas that are there, and which of them may believe that it is the only one.
CREATE TABLE rookery_presence (
  name text COLLATE "C" NOT NULL,
  replica text NOT NULL,
  until timestamptz NOT NULL,
  sole boolean NOT NULL,
  PRIMARY KEY (name, replica)
);

-- Registers a replica for p_ms. Gives whether it is the only one from now on, and whether another one may still believe so.
CREATE FUNCTION rookery_present(p_name text, p_replica text, p_ms int, OUT sole boolean, OUT other_sole boolean)
LANGUAGE plpgsql AS $$
BEGIN
  -- What follows sees whoever had the lock before.
  PERFORM pg_advisory_xact_lock(${PRESENCE_LOCK_SPACE}, hashtext(p_name));
  DELETE FROM rookery_presence p WHERE p.name = p_name AND p.until < clock_timestamp();
  SELECT count(*) = 0, coalesce(bool_or(p.sole), false) INTO sole, other_sole
    FROM rookery_presence p WHERE p.name = p_name AND p.replica <> p_replica;
  INSERT INTO rookery_presence AS p (name, replica, until, sole)
    VALUES (p_name, p_replica, clock_timestamp() + p_ms * interval '1 millisecond', sole)
    ON CONFLICT (name, replica) DO UPDATE SET until = excluded.until, sole = excluded.sole;
END $$;
`,
});

export const presenceBelieved: Migration = defineMigration({
  id: 'rookery-events-0007-presence-believed',
  up: `
-- As the one of three arguments, which replicas of an older version call: and one that believes that it is the only one
-- stays registered as such until it has said otherwise. That it is not reaches it after the others can see it.
CREATE FUNCTION rookery_present(p_name text, p_replica text, p_ms int, p_believes boolean, OUT sole boolean, OUT other_sole boolean)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(${PRESENCE_LOCK_SPACE}, hashtext(p_name));
  DELETE FROM rookery_presence p WHERE p.name = p_name AND p.until < clock_timestamp();
  SELECT count(*) = 0, coalesce(bool_or(p.sole), false) INTO sole, other_sole
    FROM rookery_presence p WHERE p.name = p_name AND p.replica <> p_replica;
  INSERT INTO rookery_presence AS p (name, replica, until, sole)
    VALUES (p_name, p_replica, clock_timestamp() + p_ms * interval '1 millisecond', sole OR p_believes)
    ON CONFLICT (name, replica) DO UPDATE SET until = excluded.until, sole = excluded.sole;
END $$;
`,
});
