import { defineMigration } from '@rookery/sharding';

/**
 * `card` is the part of a profile that every viewer sees, as JSON without its closing brace: lists join it and add
 * `following`. A generated column cannot drift from what it is made of.
 */
export const usersSchema = defineMigration({
  id: 'conduit-0001-users',
  up: `
-- to_json and to_char are only STABLE because they take any type and any pattern; for text, and for this pattern in UTC,
-- the answer depends on the argument alone, which is what a generated column asks for. In plpgsql, whose plans a session
-- keeps: a function in SQL is planned anew by each statement, which made an insert of an article take twice as long.
CREATE FUNCTION conduit_json(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$ BEGIN RETURN coalesce(to_json(value)::text, 'null'); END $$;

CREATE FUNCTION conduit_json(value text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$ BEGIN RETURN array_to_json(value)::text; END $$;

CREATE FUNCTION conduit_json(value timestamptz) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$ BEGIN RETURN to_char(value AT TIME ZONE 'UTC', '"\\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\\""'); END $$;

CREATE TABLE users (
  id uuid PRIMARY KEY,
  username text COLLATE "C" NOT NULL,
  email text NOT NULL,
  password_hash text NOT NULL,
  bio text,
  image text,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  card text NOT NULL GENERATED ALWAYS AS (
    '{"username":' || conduit_json(username) || ',"bio":' || conduit_json(bio) || ',"image":' || conduit_json(image)
  ) STORED
);
SELECT rookery_shard_table('users', 'rookery_slot_of(id)', 'id');
`,
});
