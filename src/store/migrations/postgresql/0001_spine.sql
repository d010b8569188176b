-- What syncflow keeps: syncs, jobs, runs, positions, row states, quarantine.
--
-- Runs with search_path set to the schema of the store alone (store/postgresql_schema.cpp). Ids are texts in lower
-- case, hashes of 128 bits are uuids (16 bytes, compared as such); what may hold any byte is bytea.

CREATE TABLE sync_definitions (
  id          text COLLATE "C" PRIMARY KEY,
  name        text COLLATE "C" NOT NULL,
  team_id     text COLLATE "C" NOT NULL,
  status      text NOT NULL CHECK (status IN ('draft', 'active', 'paused')),
  provider    text NOT NULL,
  source      text NOT NULL,
  destination text NOT NULL,
  schedule    text NOT NULL,
  definition  text NOT NULL
);
CREATE INDEX sync_definitions_by_name ON sync_definitions(name, id);
CREATE INDEX sync_definitions_by_team ON sync_definitions(team_id, name, id);

-- What the service adds to a sync, apart from it because it changes all the time. Who changes anything about the
-- queue of a sync locks its row here first: that is what keeps two processes from claiming one sync, and, since
-- nobody waits for a second such row, what keeps them from waiting for each other.
CREATE TABLE sync_state (
  sync_id          text COLLATE "C" PRIMARY KEY REFERENCES sync_definitions(id) ON DELETE CASCADE,
  -- Copies from sync_definitions, for the indexes below.
  team_id          text COLLATE "C" NOT NULL,
  active           boolean NOT NULL,
  hold_kind        text,
  hold_reason      text,
  hold_since       timestamptz,
  last_polled_at   timestamptz,
  next_run_at      timestamptz,
  -- A poller looks at the sync until then, at the latest.
  looked_at_until  timestamptz,
  failed_polls     integer NOT NULL DEFAULT 0,
  message          text NOT NULL DEFAULT '',
  -- Why the last look failed; empty: it did not.
  poll_trouble     text NOT NULL DEFAULT '',
  -- The next run loads everything again.
  starts_over      boolean NOT NULL DEFAULT false,
  -- The right to work on the sync: a write with another epoch or run is refused.
  epoch            bigint NOT NULL DEFAULT 0,
  lease_owner      text,
  lease_run        text,
  lease_until      timestamptz,
  backoff_until    timestamptz,
  -- Of the sync's pending jobs, as far as the queue has noticed them: never later and never lower than the
  -- truth, so that a claim that looks here misses none.
  queued_run_after timestamptz,
  queued_priority  integer NOT NULL DEFAULT 0,
  -- From when a worker may claim the sync; null: not now.
  waiting_at       timestamptz GENERATED ALWAYS AS (
    CASE WHEN active AND hold_kind IS NULL AND lease_until IS NULL AND queued_run_after IS NOT NULL
         THEN greatest(queued_run_after, backoff_until) END) STORED,
  -- From when the poller may look at the sync; null: not now. A job that is only due later stands in no way.
  poll_at          timestamptz GENERATED ALWAYS AS (
    CASE WHEN active AND hold_kind IS NULL AND lease_until IS NULL
              AND (queued_run_after IS NULL
                   OR (backoff_until IS NULL AND queued_run_after > coalesce(next_run_at, '-infinity')))
         THEN coalesce(next_run_at, '-infinity') END) STORED
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX sync_state_by_turn ON sync_state(queued_priority, team_id, waiting_at) WHERE waiting_at IS NOT NULL;
CREATE INDEX sync_state_waiting ON sync_state(waiting_at) WHERE waiting_at IS NOT NULL;
CREATE INDEX sync_state_to_poll ON sync_state(poll_at) WHERE poll_at IS NOT NULL;
CREATE INDEX sync_state_leased ON sync_state(lease_until) WHERE lease_until IS NOT NULL;

-- Whose turn it was last, for the round robin over teams.
CREATE TABLE queue_turns (
  priority integer PRIMARY KEY,
  team_id  text COLLATE "C" NOT NULL
) WITH (fillfactor = 20);

-- The one queue. Other programs may insert rows: `INSERT INTO data_sync_jobs(sync_id) …` is enough. The table may
-- be there already, made by the program that syncflow takes the place of: it keeps its columns with their types,
-- and gets what is missing.
CREATE TABLE IF NOT EXISTS data_sync_jobs (
  id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sync_id     uuid NOT NULL,
  team_id     uuid,  -- null: the sync's
  provider    text,  -- null: the sync's
  status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
  payload     json NOT NULL DEFAULT '{}',
  error       text,
  retry_count integer NOT NULL DEFAULT 0,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  started_at  timestamptz,
  finished_at timestamptz
);
ALTER TABLE data_sync_jobs
  ADD COLUMN IF NOT EXISTS team_id     uuid,
  ADD COLUMN IF NOT EXISTS provider    text,
  ADD COLUMN IF NOT EXISTS payload     json DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS error       text,
  ADD COLUMN IF NOT EXISTS retry_count integer DEFAULT 0,
  ADD COLUMN IF NOT EXISTS created_at  timestamptz DEFAULT now(),
  ADD COLUMN IF NOT EXISTS updated_at  timestamptz DEFAULT now(),
  ADD COLUMN IF NOT EXISTS started_at  timestamptz,
  ADD COLUMN IF NOT EXISTS finished_at timestamptz,
  ADD COLUMN "trigger" text NOT NULL DEFAULT 'external',
  ADD COLUMN run_after timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN priority  integer NOT NULL DEFAULT 0,
  -- The run that works on it.
  ADD COLUMN run_id    text COLLATE "C",
  -- True: pending, and counted in sync_state. A pending job without is news for the next claim.
  ADD COLUMN noticed   boolean NOT NULL DEFAULT false,
  ADD COLUMN seq       bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY;

-- Types that we can serve, and nothing changed about them: views, policies and other programs rely on them.
DO $$
DECLARE
  v_column record;
BEGIN
  FOR v_column IN
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, t.typtype AS kind, t.oid AS type_oid
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = 'data_sync_jobs'::regclass AND a.attnum > 0 AND NOT a.attisdropped
  LOOP
    IF NOT (CASE
         WHEN v_column.name IN ('id', 'sync_id', 'team_id')
           THEN v_column.type IN ('uuid', 'text') OR v_column.type LIKE 'character varying%'
         WHEN v_column.name = 'status'
           THEN v_column.kind = 'e' OR v_column.type = 'text' OR v_column.type LIKE 'character varying%'
         WHEN v_column.name IN ('provider', 'error') THEN v_column.type IN ('text', 'character varying')
         WHEN v_column.name = 'payload' THEN v_column.type IN ('json', 'jsonb', 'text')
         WHEN v_column.name = 'retry_count' THEN v_column.type IN ('smallint', 'integer', 'bigint')
         WHEN v_column.name IN ('created_at', 'updated_at', 'started_at', 'finished_at')
           THEN v_column.type LIKE 'timestamp%'
         ELSE true
       END) THEN
      RAISE EXCEPTION USING ERRCODE = 'SF005', MESSAGE = format(
        'the column %s of the table data_sync_jobs has the type %s, which syncflow cannot use: give it %s, or '
        'give syncflow a schema of its own', v_column.name, v_column.type,
        CASE WHEN v_column.name IN ('id', 'sync_id', 'team_id') THEN 'uuid'
             WHEN v_column.name = 'payload' THEN 'json'
             WHEN v_column.name = 'retry_count' THEN 'integer'
             WHEN v_column.name LIKE '%\_at' THEN 'timestamptz'
             ELSE 'text' END);
    END IF;
    IF v_column.name = 'status' AND v_column.kind = 'e' AND 4 <> (
         SELECT count(*) FROM pg_enum e WHERE e.enumtypid = v_column.type_oid
           AND e.enumlabel IN ('pending', 'processing', 'completed', 'failed')) THEN
      RAISE EXCEPTION USING ERRCODE = 'SF005', MESSAGE = format(
        'the type %s of data_sync_jobs.status lacks one of pending, processing, completed and failed: add it '
        'with ALTER TYPE … ADD VALUE', v_column.type);
    END IF;
    -- `sync_id` alone is to be enough: what else must have a value gets one.
    IF v_column.name IN ('team_id', 'provider') THEN
      EXECUTE format('ALTER TABLE data_sync_jobs ALTER COLUMN %I DROP NOT NULL', v_column.name);
    END IF;
    -- From our texts to the column's type.
    IF v_column.name IN ('id', 'sync_id', 'team_id', 'status', 'payload') THEN
      EXECUTE format('CREATE FUNCTION syncflow_%s(text) RETURNS %s LANGUAGE sql STABLE AS $f$ SELECT $1::%2$s $f$',
                     v_column.name, format_type(v_column.type_oid, NULL));
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = 'data_sync_jobs'::regclass AND indisunique AND indpred IS NULL
                   AND indnkeyatts = 1 AND indkey[0] = (SELECT attnum FROM pg_attribute
                   WHERE attrelid = 'data_sync_jobs'::regclass AND attname = 'id')) THEN
    CREATE UNIQUE INDEX syncflow_jobs_by_id ON data_sync_jobs(id);
  END IF;
END
$$;

-- Jobs of the program before: what it had in hand is to be done again, and keeps its place in the queue. Nothing
-- else about the old rows changes.
UPDATE data_sync_jobs
SET status = 'pending', started_at = NULL, run_after = coalesce(created_at, now()), sync_id = syncflow_sync_id(lower(sync_id::text))
WHERE status IN ('pending', 'processing') OR status IS NULL;

CREATE UNIQUE INDEX syncflow_jobs_by_seq ON data_sync_jobs(seq);
CREATE INDEX syncflow_jobs_by_sync ON data_sync_jobs(sync_id, seq);
CREATE INDEX syncflow_jobs_by_team ON data_sync_jobs(team_id, seq);
CREATE INDEX syncflow_jobs_by_status ON data_sync_jobs(status, seq) WHERE status <> 'completed';
CREATE INDEX syncflow_jobs_pending ON data_sync_jobs(sync_id, run_after) WHERE status = 'pending';
CREATE INDEX syncflow_jobs_news ON data_sync_jobs(seq) WHERE status = 'pending' AND NOT noticed;
CREATE INDEX syncflow_jobs_processing ON data_sync_jobs(run_id) WHERE status = 'processing';
CREATE INDEX syncflow_jobs_finished ON data_sync_jobs(finished_at) WHERE finished_at IS NOT NULL;
ALTER TABLE data_sync_jobs SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE sync_runs (
  seq         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  id          text COLLATE "C" NOT NULL UNIQUE,
  job_id      text NOT NULL,
  sync_id     text COLLATE "C" NOT NULL,
  team_id     text COLLATE "C" NOT NULL,
  attempt     integer NOT NULL,
  status      text NOT NULL CHECK (status IN ('processing', 'completed', 'failed', 'yielded')),
  strategy    text NOT NULL DEFAULT '',
  read        bigint NOT NULL DEFAULT 0,
  written     bigint NOT NULL DEFAULT 0,
  deleted     bigint NOT NULL DEFAULT 0,
  unchanged   bigint NOT NULL DEFAULT 0,
  filtered    bigint NOT NULL DEFAULT 0,
  collapsed   bigint NOT NULL DEFAULT 0,
  quarantined bigint NOT NULL DEFAULT 0,
  bytes       bigint NOT NULL DEFAULT 0,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz,
  error       text NOT NULL DEFAULT '',
  -- What it did to each table, as a JSON array, once it has ended.
  tables      text NOT NULL DEFAULT '[]',
  -- The last commit under this run, or its end: who lost the connection at COMMIT knows its own again.
  last_call   text,
  CHECK (read = written + deleted + unchanged + filtered + collapsed + quarantined)
);
CREATE INDEX sync_runs_by_sync ON sync_runs(sync_id, seq);
CREATE INDEX sync_runs_by_team ON sync_runs(team_id, seq);
CREATE INDEX sync_runs_finished ON sync_runs(finished_at) WHERE finished_at IS NOT NULL;

-- Which jobs a run served. The older of the two may be swept first.
CREATE TABLE sync_run_jobs (
  job_seq bigint NOT NULL,
  run_seq bigint NOT NULL,
  PRIMARY KEY (job_seq, run_seq)
);
CREATE INDEX sync_run_jobs_by_run ON sync_run_jobs(run_seq);

CREATE TABLE sync_mappings (
  id                bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  sync_id           text COLLATE "C" NOT NULL,
  mapping           text COLLATE "C" NOT NULL,
  position          bytea NOT NULL,
  fingerprint_data  text NOT NULL,
  fingerprint_shape text NOT NULL,
  owned             boolean NOT NULL,
  appending         boolean NOT NULL,
  generation        bigint NOT NULL,
  outgrown_since    timestamptz,
  -- When both sides' keys were last compared to the end, and what that found.
  reconciled_at     timestamptz,
  reconciled        text NOT NULL DEFAULT '',
  -- 0: off, 1: deletes are held back, 2: a person let them pass.
  brake             integer NOT NULL DEFAULT 0,
  UNIQUE (sync_id, mapping)
);

-- Sets of keys, by the hashes of their cells. key_set 0: keys that the mapping wrote into a table of others.
-- 1: keys whose removal the brake holds back.
CREATE TABLE sync_keys (
  mapping_id bigint NOT NULL,
  key_set    integer NOT NULL,
  key_hash   uuid NOT NULL,
  PRIMARY KEY (mapping_id, key_set, key_hash)
);

-- What was last applied for a key: hashes of the key and of the row.
CREATE TABLE sync_rows (
  mapping_id bigint NOT NULL,
  key_hash   uuid NOT NULL,
  row_hash   uuid NOT NULL,
  generation bigint NOT NULL,
  key        bytea NOT NULL,
  PRIMARY KEY (mapping_id, key_hash)
);

-- The quarantine: one entry for each key that a destination refused.
CREATE TABLE sync_row_errors (
  seq           bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  id            text COLLATE "C" NOT NULL UNIQUE,
  sync_id       text COLLATE "C" NOT NULL,
  team_id       text COLLATE "C" NOT NULL,
  mapping       text COLLATE "C" NOT NULL,
  "table"       text NOT NULL,
  key           bytea NOT NULL,
  field         text NOT NULL,
  reason        text NOT NULL,
  -- Of the row as the destination refused it; zeros: it did not get that far.
  row_hash      uuid NOT NULL,
  attempts      integer NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_seen_at  timestamptz NOT NULL
);
-- By its hash: a key may be longer than an index takes.
CREATE UNIQUE INDEX sync_row_errors_by_key ON sync_row_errors(sync_id, mapping, sha256(key));
CREATE INDEX sync_row_errors_by_sync ON sync_row_errors(sync_id, seq);
CREATE INDEX sync_row_errors_by_team ON sync_row_errors(team_id, seq);
CREATE INDEX sync_row_errors_by_age ON sync_row_errors(sync_id, mapping, last_seen_at, seq);
