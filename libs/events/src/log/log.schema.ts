import { defineMigration } from '@rookery/sharding';

/** First argument of the advisory locks under which events of one key are numbered. */
export const KEY_LOCK_SPACE = 7736;
/** First argument of the advisory locks under which lanes of a group are shared out. */
export const GROUP_LOCK_SPACE = 7737;

/** Parts of a shard's slots that the replicas share among them, group by group. A slot's lane is its low four bits. */
export const LANES = 16;

export const log = defineMigration({
  id: 'rookery-events-0001-log',
  up: `
-- What transactions published, in the order in which events of one key were committed. xid tells a reader what it could see
-- when it looked last; seq gives the order. Rows are never deleted: partitions are made ahead by day and dropped behind.
CREATE SEQUENCE rookery_event_seq;
CREATE TABLE rookery_event (
  seq bigint NOT NULL,
  xid xid8 NOT NULL,
  shard_slot smallint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  type text COLLATE "C" NOT NULL,
  version smallint NOT NULL,
  headers text,
  payload text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (created_at);
CREATE INDEX ON rookery_event (seq);
CREATE INDEX ON rookery_event (xid);
CREATE TABLE rookery_event_default PARTITION OF rookery_event DEFAULT;
SELECT rookery_fence_table('rookery_event');

-- Every event with seq <= seq_below had a transaction id < xid: from where a reader that comes late has to begin.
CREATE TABLE rookery_event_tick (
  seq_below bigint PRIMARY KEY,
  xid xid8 NOT NULL,
  made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The server whose transaction ids stand in the log: they mean nothing on another one.
CREATE TABLE rookery_event_home (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  system_identifier bigint NOT NULL
);
INSERT INTO rookery_event_home (system_identifier) SELECT system_identifier FROM pg_control_system();

-- Events of later. One whose time has come is appended to the log, and takes its place there.
CREATE TABLE rookery_event_timer (
  id uuid PRIMARY KEY,
  due_at timestamptz NOT NULL,
  shard_slot smallint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  version smallint NOT NULL,
  headers text,
  payload text NOT NULL
);
CREATE INDEX ON rookery_event_timer (due_at);
CREATE INDEX ON rookery_event_timer (shard_slot, id);
SELECT rookery_fence_table('rookery_event_timer');

-- What a group has applied, in the slot its effect is in. Partitioned by the time in the event's own id, so that an event
-- meets its line whenever it comes again.
CREATE TABLE rookery_inbox (
  event_id uuid NOT NULL,
  grp text COLLATE "C" NOT NULL,
  shard_slot smallint NOT NULL,
  -- Events that the handler published and that others wait for.
  awaits text,
  PRIMARY KEY (event_id, grp)
) PARTITION BY RANGE (event_id);
CREATE TABLE rookery_inbox_default PARTITION OF rookery_inbox DEFAULT;
SELECT rookery_fence_table('rookery_inbox');

-- Events that failed, with all later ones of their key, in the slot they were published in.
CREATE TABLE rookery_parked (
  grp text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  -- The order in which they came.
  place bigint GENERATED ALWAYS AS IDENTITY,
  id uuid NOT NULL,
  type text COLLATE "C" NOT NULL,
  version smallint NOT NULL,
  shard_slot smallint NOT NULL,
  headers text,
  payload bytea NOT NULL,
  published_at timestamptz NOT NULL,
  position text NOT NULL,
  -- waiting: behind another one, or for its next try; held: until somebody says replay or skip; skipped: kept for the record.
  state text NOT NULL CHECK (state IN ('waiting', 'held', 'skipped')),
  attempts int NOT NULL DEFAULT 0,
  parked_at timestamptz NOT NULL DEFAULT now(),
  failed_at timestamptz,
  retry_at timestamptz NOT NULL DEFAULT now(),
  code text,
  error text,
  PRIMARY KEY (grp, topic, key, place)
);
CREATE UNIQUE INDEX rookery_parked_once ON rookery_parked (id, grp);
CREATE INDEX rookery_parked_slot ON rookery_parked (shard_slot, id, grp);
CREATE INDEX rookery_parked_due ON rookery_parked (retry_at) WHERE state = 'waiting';
SELECT rookery_fence_table('rookery_parked');

-- Tries of events that may have ended their process, counted only after one has ended without saying so.
CREATE TABLE rookery_suspect (
  event_id uuid NOT NULL,
  grp text COLLATE "C" NOT NULL,
  tries int NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (event_id, grp)
);

-- Partitions by day, from yesterday to p_ahead days from now. Returns how many were made.
CREATE FUNCTION rookery_event_partitions(p_ahead int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  v_day date;
  v_name text;
  v_made int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(${GROUP_LOCK_SPACE}, -1);
  FOR v_day IN SELECT d::date FROM generate_series((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + p_ahead, interval '1 day') d LOOP
    v_name := 'rookery_event_' || to_char(v_day, 'YYYYMMDD');
    IF to_regclass(v_name) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF rookery_event FOR VALUES FROM (%L) TO (%L)', v_name,
        v_day::text || ' 00:00:00+00', (v_day + 1)::text || ' 00:00:00+00');
      v_made := v_made + 1;
    END IF;
    v_name := 'rookery_inbox_' || to_char(v_day, 'YYYYMMDD');
    IF to_regclass(v_name) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF rookery_inbox FOR VALUES FROM (%L) TO (%L)', v_name,
        rookery_id_floor(v_day::timestamp AT TIME ZONE 'UTC'), rookery_id_floor((v_day + 1)::timestamp AT TIME ZONE 'UTC'));
      v_made := v_made + 1;
    END IF;
  END LOOP;
  RETURN v_made;
END $$;

-- The lowest UUIDv7 of a time.
CREATE FUNCTION rookery_id_floor(p_at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (lpad(to_hex((extract(epoch FROM p_at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;

SELECT rookery_event_partitions(3);
`,
});

export const groups = defineMigration({
  id: 'rookery-events-0002-groups',
  up: `
-- Replicas that handle a group here, and which types of events they know how to handle.
CREATE TABLE rookery_member (
  grp text COLLATE "C" NOT NULL,
  replica text NOT NULL,
  types text[] NOT NULL,
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  until timestamptz NOT NULL,
  PRIMARY KEY (grp, replica)
);

-- Who reads which lane of a group, and how far it is. The epoch fences off who lost it.
CREATE TABLE rookery_lane (
  grp text COLLATE "C" NOT NULL,
  lane smallint NOT NULL,
  owner text,
  epoch bigint NOT NULL DEFAULT 0,
  until timestamptz NOT NULL DEFAULT '-infinity',
  cursor jsonb NOT NULL,
  moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (grp, lane)
) WITH (fillfactor = 50);

-- One look of a replica at the groups it handles: renews what it has, says what it should give up, takes what is free, up to
-- its fair share. p_groups: [{"group", "types", "from": cursor of a group that is new}].
CREATE FUNCTION rookery_groups_share(p_replica text, p_groups jsonb, p_lease_ms int)
RETURNS TABLE (grp text, lane smallint, epoch bigint, cursor jsonb, is_new boolean, crashed boolean, give_up boolean, types text[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_group record;
  v_until timestamptz;
  v_joined boolean;
  v_types text[];
  v_since timestamptz;
  v_eligible boolean;
  v_members int;
  v_rank int;
  v_share int;
  v_mine int;
  v_all text[];
BEGIN
  FOR v_group IN SELECT g->>'group' AS name, ARRAY(SELECT jsonb_array_elements_text(g->'types') ORDER BY 1) AS types, g->'from' AS start
    FROM jsonb_array_elements(p_groups) g ORDER BY 1
  LOOP
    PERFORM pg_advisory_xact_lock(${GROUP_LOCK_SPACE}, hashtext(v_group.name));
    v_until := clock_timestamp() + p_lease_ms * interval '1 millisecond';
    DELETE FROM rookery_member m WHERE m.grp = v_group.name AND m.until < clock_timestamp();
    SELECT m.types, m.since INTO v_types, v_since FROM rookery_member m WHERE m.grp = v_group.name AND m.replica = p_replica;
    v_joined := v_types IS DISTINCT FROM v_group.types;
    IF v_joined THEN v_since := clock_timestamp(); END IF;
    INSERT INTO rookery_member AS m (grp, replica, types, since, until)
      VALUES (v_group.name, p_replica, v_group.types, v_since, v_until)
      ON CONFLICT (grp, replica) DO UPDATE SET types = excluded.types, since = excluded.since, until = excluded.until;
    INSERT INTO rookery_lane AS l (grp, lane, cursor)
      SELECT v_group.name, n, v_group.start FROM generate_series(0, ${LANES - 1}) n
      WHERE NOT EXISTS (SELECT FROM rookery_lane x WHERE x.grp = v_group.name)
      ON CONFLICT DO NOTHING;
    -- A version of the site that handles more takes over at once: what the older one would have passed over is still to come.
    IF v_joined THEN
      UPDATE rookery_lane l SET owner = NULL, epoch = l.epoch + 1, until = clock_timestamp()
        FROM rookery_member m
        WHERE l.grp = v_group.name AND m.grp = l.grp AND m.replica = l.owner AND m.replica <> p_replica
          AND NOT m.types @> v_group.types;
    END IF;
    v_eligible := NOT EXISTS (SELECT FROM rookery_member m WHERE m.grp = v_group.name AND m.since > v_since AND NOT v_group.types @> m.types);
    -- Of those that are not outdated each gets as many lanes as the others, or one more.
    SELECT count(*), count(*) FILTER (WHERE m.replica < p_replica) INTO v_members, v_rank FROM rookery_member m
      WHERE m.grp = v_group.name
        AND NOT EXISTS (SELECT FROM rookery_member o WHERE o.grp = m.grp AND o.since > m.since AND NOT m.types @> o.types);
    v_share := CASE WHEN NOT v_eligible THEN 0
      ELSE ${LANES} / v_members + CASE WHEN v_rank < ${LANES} % v_members THEN 1 ELSE 0 END END;
    SELECT ARRAY(SELECT DISTINCT t FROM rookery_member m, unnest(m.types) t WHERE m.grp = v_group.name) INTO v_all;
    UPDATE rookery_lane l SET until = v_until WHERE l.grp = v_group.name AND l.owner = p_replica;
    SELECT count(*) INTO v_mine FROM rookery_lane l WHERE l.grp = v_group.name AND l.owner = p_replica;
    RETURN QUERY
      WITH taken AS (
        UPDATE rookery_lane l SET owner = p_replica, epoch = l.epoch + 1, until = v_until
          FROM (SELECT f.grp, f.lane, f.owner IS NOT NULL AS crashed FROM rookery_lane f
                WHERE f.grp = v_group.name AND f.owner IS DISTINCT FROM p_replica AND f.until < clock_timestamp()
                ORDER BY f.lane LIMIT greatest(v_share - v_mine, 0)) free
          WHERE l.grp = free.grp AND l.lane = free.lane
          RETURNING l.grp, l.lane, l.epoch, l.cursor, true AS is_new, free.crashed)
      SELECT t.grp, t.lane, t.epoch, t.cursor, true, t.crashed, false, v_all FROM taken t
      UNION ALL
      SELECT l.grp, l.lane, l.epoch, l.cursor, false, false,
        row_number() OVER (ORDER BY l.lane) > v_share, v_all
      FROM rookery_lane l WHERE l.grp = v_group.name AND l.owner = p_replica;
  END LOOP;
END $$;
`,
});

export const adoption = defineMigration({
  id: 'rookery-events-0003-adoption',
  up: `
-- After a restore into another server its transaction ids mean nothing any more: every group goes on from a number below
-- which it had seen everything, and what stands in the log counts as visible from the first. Returns whether that was so.
CREATE FUNCTION rookery_event_adopt() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_here bigint;
BEGIN
  SELECT system_identifier INTO v_here FROM pg_control_system();
  IF EXISTS (SELECT FROM rookery_event_home WHERE system_identifier = v_here) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(${GROUP_LOCK_SPACE}, -2), set_config('rookery.slot', 'mover', true);
  IF EXISTS (SELECT FROM rookery_event_home WHERE system_identifier = v_here) THEN
    RETURN false;
  END IF;
  UPDATE rookery_lane l SET owner = NULL, until = '-infinity', epoch = l.epoch + 1, cursor = jsonb_build_object(
    'from', NULL, 'upto', NULL, 'done', CASE WHEN l.cursor->>'from' IS NULL THEN l.cursor->>'done' ELSE coalesce(
      (SELECT t.seq_below FROM rookery_event_tick t WHERE t.xid <= pg_snapshot_xmin((l.cursor->>'from')::pg_snapshot)
       ORDER BY t.seq_below DESC LIMIT 1), 0)::text END);
  UPDATE rookery_event SET xid = '3'::xid8;
  DELETE FROM rookery_event_tick;
  UPDATE rookery_event_home SET system_identifier = v_here;
  RETURN true;
END $$;
`,
});

/** SQLSTATE of a transaction that belongs to the time before the server crashed. */
export const SQLSTATE_CRASHED = 'RK101';

export const incarnation = defineMigration({
  id: 'rookery-events-0005-incarnation',
  up: `
-- Not logged: a crash of the server and the promotion of a standby empty it, an ordered stop does not. So its token tells a
-- process that what it remembers may be from before: transaction ids that are given out again, commits that are undone.
CREATE UNLOGGED TABLE rookery_event_incarnation (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  token uuid NOT NULL DEFAULT gen_random_uuid()
);

CREATE FUNCTION rookery_event_incarnation() RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM rookery_event_incarnation) THEN
    INSERT INTO rookery_event_incarnation DEFAULT VALUES ON CONFLICT DO NOTHING;
  END IF;
  RETURN (SELECT token FROM rookery_event_incarnation);
END $$;

-- From here on the present transaction's commit does not wait for the disk, provided that the server has not crashed since
-- p_token: what had been committed like this before may be undone, and must come first again.
CREATE FUNCTION rookery_event_async_commit(p_token uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM rookery_event_incarnation WHERE token = p_token) THEN
    RAISE EXCEPTION 'the server has crashed since this event was read' USING ERRCODE = '${SQLSTATE_CRASHED}';
  END IF;
  PERFORM set_config('synchronous_commit', 'off', true);
END $$;
`,
});

export const fenceByRow = defineMigration({
  id: 'rookery-events-0008-fence-by-row',
  up: `
-- Nearly every transaction that publishes appends one row.
SELECT rookery_fence_inserts_by_row('rookery_event');
`,
});
