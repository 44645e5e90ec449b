import { defineMigration } from '@rookery/sharding';

export const processes = defineMigration({
  id: 'rookery-events-0004-processes',
  up: `
-- Processes of several steps, one line each, in the slot of what they are about.
CREATE TABLE rookery_process (
  name text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  shard_slot smallint NOT NULL,
  state jsonb NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'compensating', 'completed', 'failed')),
  -- Grows with each change: a timeout that was set at an earlier one is stale.
  turn int NOT NULL DEFAULT 1,
  reason text,
  started_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, id)
);
CREATE INDEX ON rookery_process (shard_slot, name, id);
CREATE INDEX rookery_process_open ON rookery_process (name, changed_at) WHERE status IN ('running', 'compensating');
SELECT rookery_fence_table('rookery_process');
`,
});

export const processesEnded = defineMigration({
  id: 'rookery-events-0009-processes-ended',
  up: `
ALTER TABLE rookery_process
  -- When the present step has taken too long; null where it may take as long as it likes.
  ADD COLUMN due_at timestamptz,
  -- When it was last to begin although it had ended.
  ADD COLUMN asked_at timestamptz;
-- What is dropped first.
CREATE INDEX rookery_process_ended ON rookery_process (greatest(changed_at, asked_at)) WHERE status IN ('completed', 'failed');
CREATE INDEX rookery_process_failed ON rookery_process (name, started_at) WHERE status = 'failed';
`,
});
