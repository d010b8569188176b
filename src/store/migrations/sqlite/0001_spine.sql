-- What syncflow keeps: syncs, jobs, runs, positions, row states, quarantine.
--
-- Times are RFC 3339 texts in UTC with six digits after the second ('2024-01-01T00:00:00.000000Z'): of one
-- width, so that the order of the texts is the order of the times. Ids are compared without regard to case.

CREATE TABLE syncs (
  id          TEXT NOT NULL COLLATE NOCASE PRIMARY KEY,
  name        TEXT NOT NULL,
  team_id     TEXT NOT NULL COLLATE NOCASE,
  status      TEXT NOT NULL CHECK (status IN ('draft', 'active', 'paused')),
  provider    TEXT NOT NULL,
  source      TEXT NOT NULL,
  destination TEXT NOT NULL,
  schedule    TEXT NOT NULL,
  definition  TEXT NOT NULL
);
CREATE INDEX syncs_by_name ON syncs(name, id);
CREATE INDEX syncs_by_team ON syncs(team_id, name, id);

-- What the service adds to a sync, apart from it because it changes all the time.
CREATE TABLE sync_state (
  sync_id          TEXT NOT NULL COLLATE NOCASE PRIMARY KEY REFERENCES syncs(id) ON DELETE CASCADE,
  -- Copies from syncs, for the indexes below.
  team_id          TEXT NOT NULL COLLATE NOCASE,
  active           INTEGER NOT NULL,
  hold_kind        TEXT,
  hold_reason      TEXT,
  hold_since       TEXT,
  last_polled_at   TEXT,
  next_run_at      TEXT,
  failed_polls     INTEGER NOT NULL DEFAULT 0,
  message          TEXT NOT NULL DEFAULT '',
  -- Why the last look failed; empty: it did not.
  poll_trouble     TEXT NOT NULL DEFAULT '',
  -- The next run loads everything again.
  starts_over      INTEGER NOT NULL DEFAULT 0,
  -- The right to work on the sync: a write with another epoch or run is refused.
  epoch            INTEGER NOT NULL DEFAULT 0,
  lease_owner      TEXT,
  lease_run        TEXT,
  lease_until      TEXT,
  backoff_until    TEXT,
  -- Of the sync's pending jobs, as far as the queue has noticed them: never later and never lower than the
  -- truth, so that a claim that looks here misses none.
  queued_run_after TEXT,
  queued_priority  INTEGER NOT NULL DEFAULT 0,
  -- From when a worker may claim the sync; null: not now.
  waiting_at       TEXT AS (CASE WHEN active AND hold_kind IS NULL AND lease_until IS NULL
                            THEN max(queued_run_after, coalesce(backoff_until, queued_run_after)) END),
  -- From when the poller may look at the sync; null: not now. A job that is only due later stands in no way.
  poll_at          TEXT AS (CASE WHEN active AND hold_kind IS NULL AND lease_until IS NULL
                                 AND (queued_run_after IS NULL
                                      OR (backoff_until IS NULL AND queued_run_after > coalesce(next_run_at, '')))
                            THEN coalesce(next_run_at, '') END)
) WITHOUT ROWID;
CREATE INDEX sync_state_by_turn ON sync_state(queued_priority, team_id, waiting_at) WHERE waiting_at IS NOT NULL;
CREATE INDEX sync_state_waiting ON sync_state(waiting_at) WHERE waiting_at IS NOT NULL;
CREATE INDEX sync_state_to_poll ON sync_state(poll_at) WHERE poll_at IS NOT NULL;
CREATE INDEX sync_state_leased ON sync_state(lease_until) WHERE lease_until IS NOT NULL;

-- Whose turn it was last, for the round robin over teams.
CREATE TABLE queue_turns (
  priority INTEGER NOT NULL PRIMARY KEY,
  team_id  TEXT NOT NULL COLLATE NOCASE
);

-- The one queue. Other programs may insert rows: `INSERT INTO data_sync_jobs(id, sync_id, team_id) …` is enough,
-- and a NULL where a value is needed means the default.
CREATE TABLE data_sync_jobs (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL ON CONFLICT REPLACE COLLATE NOCASE UNIQUE
              DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
                             || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
  sync_id     TEXT NOT NULL COLLATE NOCASE,
  team_id     TEXT NOT NULL ON CONFLICT REPLACE COLLATE NOCASE DEFAULT '',  -- '': the sync's
  provider    TEXT NOT NULL ON CONFLICT REPLACE DEFAULT '',
  status      TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'pending'
              CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
  payload     TEXT NOT NULL ON CONFLICT REPLACE DEFAULT '{}' CHECK (json_valid(payload)),
  error       TEXT,
  retry_count INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT 0,
  created_at  TEXT NOT NULL ON CONFLICT REPLACE DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
  updated_at  TEXT NOT NULL ON CONFLICT REPLACE DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
  started_at  TEXT,
  finished_at TEXT,
  "trigger"   TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'external',
  run_after   TEXT NOT NULL ON CONFLICT REPLACE DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
  priority    INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT 0,
  -- The run that works on it.
  run_id      TEXT COLLATE NOCASE,
  -- 1: pending, and counted in sync_state. A pending job with 0 is news for the next claim.
  noticed     INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT 0,
  -- Whether the triggers below have nothing to rewrite.
  times_in_form INTEGER AS (
    coalesce(substr(created_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
             AND strftime('%Y-%m-%dT%H:%M:%S', substr(created_at, 1, 19), '+0 days') = substr(created_at, 1, 19), 0)
    AND coalesce(substr(updated_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
             AND strftime('%Y-%m-%dT%H:%M:%S', substr(updated_at, 1, 19), '+0 days') = substr(updated_at, 1, 19), 0)
    AND coalesce(substr(run_after, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
             AND strftime('%Y-%m-%dT%H:%M:%S', substr(run_after, 1, 19), '+0 days') = substr(run_after, 1, 19), 0)
    AND coalesce(substr(started_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
             AND strftime('%Y-%m-%dT%H:%M:%S', substr(started_at, 1, 19), '+0 days') = substr(started_at, 1, 19), started_at IS NULL)
    AND coalesce(substr(finished_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
             AND strftime('%Y-%m-%dT%H:%M:%S', substr(finished_at, 1, 19), '+0 days') = substr(finished_at, 1, 19), finished_at IS NULL))
);
CREATE INDEX data_sync_jobs_by_sync ON data_sync_jobs(sync_id, status);
CREATE INDEX data_sync_jobs_by_team ON data_sync_jobs(team_id, status);
CREATE INDEX data_sync_jobs_by_status ON data_sync_jobs(status);
CREATE INDEX data_sync_jobs_unnoticed ON data_sync_jobs(seq) WHERE status = 'pending' AND noticed = 0;
CREATE INDEX data_sync_jobs_finished ON data_sync_jobs(finished_at) WHERE finished_at IS NOT NULL;

-- Times in other forms ('2024-01-01T00:00:00Z', '2024-01-01 00:00:00', with an offset) are taken and rewritten;
-- what is no time is refused.
CREATE TRIGGER data_sync_jobs_times_updated
AFTER UPDATE OF created_at, updated_at, run_after, started_at, finished_at ON data_sync_jobs
WHEN NOT new.times_in_form
BEGIN
  SELECT RAISE(ABORT, 'data_sync_jobs: a time is not one; write it like 2024-01-01T00:00:00Z')
  WHERE strftime('%s', new.created_at) IS NULL
     OR strftime('%s', new.updated_at) IS NULL
     OR strftime('%s', new.run_after) IS NULL
     OR (strftime('%s', new.started_at) IS NULL) <> (new.started_at IS NULL)
     OR (strftime('%s', new.finished_at) IS NULL) <> (new.finished_at IS NULL);
  UPDATE data_sync_jobs
  SET created_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.created_at, '+0 days'),
      updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.updated_at, '+0 days'),
      run_after = strftime('%Y-%m-%dT%H:%M:%f000Z', new.run_after, '+0 days'),
      started_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.started_at, '+0 days'),
      finished_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.finished_at, '+0 days')
  WHERE seq = new.seq;
END;
CREATE TRIGGER data_sync_jobs_times_inserted AFTER INSERT ON data_sync_jobs
WHEN NOT new.times_in_form
BEGIN
  UPDATE data_sync_jobs SET run_after = run_after WHERE seq = new.seq;  -- for the trigger above
END;

-- Who names no team means the sync's.
CREATE TRIGGER data_sync_jobs_team AFTER INSERT ON data_sync_jobs
WHEN new.team_id = ''
BEGIN
  UPDATE data_sync_jobs
  SET team_id = coalesce((SELECT team_id FROM syncs WHERE id = new.sync_id), '00000000-0000-4000-8000-000000000001')
  WHERE seq = new.seq;
END;

-- A pending job that another program makes due earlier or later, or more urgent, is news too.
CREATE TRIGGER data_sync_jobs_rescheduled AFTER UPDATE OF run_after, priority ON data_sync_jobs
WHEN new.noticed = 1 AND old.noticed = 1 AND (new.run_after <> old.run_after OR new.priority <> old.priority)
BEGIN
  UPDATE data_sync_jobs SET noticed = 0 WHERE seq = new.seq;
END;

CREATE TABLE sync_runs (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL COLLATE NOCASE UNIQUE,
  job_id      TEXT NOT NULL COLLATE NOCASE,
  sync_id     TEXT NOT NULL COLLATE NOCASE REFERENCES syncs(id) ON DELETE CASCADE,
  team_id     TEXT NOT NULL COLLATE NOCASE,
  attempt     INTEGER NOT NULL,
  status      TEXT NOT NULL CHECK (status IN ('processing', 'completed', 'failed', 'yielded')),
  strategy    TEXT NOT NULL DEFAULT '',
  read        INTEGER NOT NULL DEFAULT 0,
  written     INTEGER NOT NULL DEFAULT 0,
  deleted     INTEGER NOT NULL DEFAULT 0,
  unchanged   INTEGER NOT NULL DEFAULT 0,
  filtered    INTEGER NOT NULL DEFAULT 0,
  collapsed   INTEGER NOT NULL DEFAULT 0,
  quarantined INTEGER NOT NULL DEFAULT 0,
  bytes       INTEGER NOT NULL DEFAULT 0,
  started_at  TEXT NOT NULL,
  finished_at TEXT,
  error       TEXT NOT NULL DEFAULT '',
  -- What it did to each table, as a JSON array, once it has ended.
  tables      TEXT NOT NULL DEFAULT '[]',
  CHECK (read = written + deleted + unchanged + filtered + collapsed + quarantined)
);
CREATE INDEX sync_runs_by_sync ON sync_runs(sync_id);
CREATE INDEX sync_runs_by_team ON sync_runs(team_id);
CREATE INDEX sync_runs_finished ON sync_runs(finished_at) WHERE finished_at IS NOT NULL;

-- Which jobs a run served. No reference to the run: the older of the two may be swept first.
CREATE TABLE sync_run_jobs (
  job_seq INTEGER NOT NULL REFERENCES data_sync_jobs(seq) ON DELETE CASCADE,
  run_seq INTEGER NOT NULL,
  PRIMARY KEY (job_seq, run_seq)
) WITHOUT ROWID;

CREATE TABLE sync_mappings (
  id                INTEGER PRIMARY KEY,
  sync_id           TEXT NOT NULL COLLATE NOCASE REFERENCES syncs(id) ON DELETE CASCADE,
  mapping           TEXT NOT NULL,
  position          TEXT NOT NULL,
  fingerprint_data  TEXT NOT NULL,
  fingerprint_shape TEXT NOT NULL,
  owned             INTEGER NOT NULL,
  appending         INTEGER NOT NULL,
  generation        INTEGER NOT NULL,
  outgrown_since    TEXT,
  UNIQUE (sync_id, mapping)
);

-- What was last applied for a key: hashes of the key and of the row.
CREATE TABLE sync_rows (
  mapping_id INTEGER NOT NULL REFERENCES sync_mappings(id) ON DELETE CASCADE,
  key_hash   BLOB NOT NULL,
  row_hash   BLOB NOT NULL,
  key        TEXT NOT NULL,
  generation INTEGER NOT NULL,
  PRIMARY KEY (mapping_id, key_hash)
) WITHOUT ROWID;

-- The quarantine: one entry for each key that a destination refused.
CREATE TABLE sync_row_errors (
  seq           INTEGER PRIMARY KEY,
  id            TEXT NOT NULL COLLATE NOCASE UNIQUE,
  sync_id       TEXT NOT NULL COLLATE NOCASE REFERENCES syncs(id) ON DELETE CASCADE,
  team_id       TEXT NOT NULL COLLATE NOCASE,
  mapping       TEXT NOT NULL,
  "table"       TEXT NOT NULL,
  key           TEXT NOT NULL,
  field         TEXT NOT NULL,
  reason        TEXT NOT NULL,
  -- Of the row as the destination refused it; zeros: it did not get that far.
  row_hash      BLOB NOT NULL,
  attempts      INTEGER NOT NULL,
  first_seen_at TEXT NOT NULL,
  last_seen_at  TEXT NOT NULL,
  UNIQUE (sync_id, mapping, key)
);
CREATE INDEX sync_row_errors_by_sync ON sync_row_errors(sync_id);
CREATE INDEX sync_row_errors_by_team ON sync_row_errors(team_id);
CREATE INDEX sync_row_errors_by_age ON sync_row_errors(sync_id, mapping, last_seen_at);
