-- To change a job or the record of a run takes a third of what it took. What is refused, and what is rewritten, is the
-- same as before.

-- SQLite makes a table of a list of more than two values, for each statement that checks against it: that took longer
-- than all the rest of a small update. Another form of the same check changes nothing in the file but the words of the
-- schema. That is how they are changed without copying the table, which would also drop what others made on it:
-- https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(replace(sql,
  'CHECK (status IN (''pending'', ''processing'', ''completed'', ''failed''))',
  'CHECK (status IN (''pending'', ''processing'') OR status IN (''completed'', ''failed''))'),
  'CHECK (status IN (''processing'', ''completed'', ''failed'', ''yielded''))',
  'CHECK (status IN (''processing'', ''completed'') OR status IN (''failed'', ''yielded''))')
WHERE type = 'table' AND name IN ('data_sync_jobs', 'sync_runs');
PRAGMA writable_schema = RESET;

-- A generated column is evaluated twice by every update, whatever that changes. Instead a time is looked at when it is
-- written, and only once where several columns get the same one.
DROP TRIGGER data_sync_jobs_times_updated;
DROP TRIGGER data_sync_jobs_times_inserted;
ALTER TABLE data_sync_jobs DROP COLUMN times_in_form;

CREATE TRIGGER data_sync_jobs_times_inserted AFTER INSERT ON data_sync_jobs
WHEN NOT coalesce(substr(new.created_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.created_at, 1, 19), '+0 days') = substr(new.created_at, 1, 19), 0)
  OR new.updated_at IS NOT new.created_at
     AND NOT coalesce(substr(new.updated_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.updated_at, 1, 19), '+0 days') = substr(new.updated_at, 1, 19), 0)
  OR new.run_after IS NOT new.created_at
     AND NOT coalesce(substr(new.run_after, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.run_after, 1, 19), '+0 days') = substr(new.run_after, 1, 19), 0)
  OR new.started_at IS NOT NULL
     AND NOT coalesce(substr(new.started_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.started_at, 1, 19), '+0 days') = substr(new.started_at, 1, 19), 0)
  OR new.finished_at IS NOT NULL
     AND NOT coalesce(substr(new.finished_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.finished_at, 1, 19), '+0 days') = substr(new.finished_at, 1, 19), 0)
BEGIN
  SELECT RAISE(ABORT, 'data_sync_jobs: a time is not one; write it like 2024-01-01T00:00:00Z')
  WHERE strftime('%s', new.created_at) IS NULL
     OR strftime('%s', new.updated_at) IS NULL
     OR strftime('%s', new.run_after) IS NULL
     OR (strftime('%s', new.started_at) IS NULL) <> (new.started_at IS NULL)
     OR (strftime('%s', new.finished_at) IS NULL) <> (new.finished_at IS NULL)
     OR 'now' IN (lower(new.created_at), lower(new.updated_at), lower(new.run_after), lower(new.started_at),
                  lower(new.finished_at))
     -- A number counts as days since the year -4713.
     OR strftime('%Y', new.created_at) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.updated_at) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.run_after) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.started_at) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.finished_at) NOT BETWEEN '0000' AND '9999';
  UPDATE data_sync_jobs
  SET created_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.created_at, '+0 days'),
      updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.updated_at, '+0 days'),
      run_after = strftime('%Y-%m-%dT%H:%M:%f000Z', new.run_after, '+0 days'),
      started_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.started_at, '+0 days'),
      finished_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.finished_at, '+0 days')
  WHERE seq = new.seq;
END;

CREATE TRIGGER data_sync_jobs_times_updated
AFTER UPDATE OF created_at, updated_at, run_after, started_at, finished_at ON data_sync_jobs
WHEN new.created_at IS NOT old.created_at
     AND NOT coalesce(substr(new.created_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.created_at, 1, 19), '+0 days') = substr(new.created_at, 1, 19), 0)
  OR new.updated_at IS NOT old.updated_at
     AND NOT coalesce(substr(new.updated_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.updated_at, 1, 19), '+0 days') = substr(new.updated_at, 1, 19), 0)
  OR new.run_after IS NOT old.run_after
     AND NOT coalesce(substr(new.run_after, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.run_after, 1, 19), '+0 days') = substr(new.run_after, 1, 19), 0)
  OR new.started_at IS NOT old.started_at AND new.started_at IS NOT NULL AND new.started_at IS NOT new.updated_at
     AND NOT coalesce(substr(new.started_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.started_at, 1, 19), '+0 days') = substr(new.started_at, 1, 19), 0)
  OR new.finished_at IS NOT old.finished_at AND new.finished_at IS NOT NULL AND new.finished_at IS NOT new.updated_at
     AND NOT coalesce(substr(new.finished_at, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]Z'
         AND strftime('%Y-%m-%dT%H:%M:%S', substr(new.finished_at, 1, 19), '+0 days') = substr(new.finished_at, 1, 19), 0)
BEGIN
  SELECT RAISE(ABORT, 'data_sync_jobs: a time is not one; write it like 2024-01-01T00:00:00Z')
  WHERE strftime('%s', new.created_at) IS NULL
     OR strftime('%s', new.updated_at) IS NULL
     OR strftime('%s', new.run_after) IS NULL
     OR (strftime('%s', new.started_at) IS NULL) <> (new.started_at IS NULL)
     OR (strftime('%s', new.finished_at) IS NULL) <> (new.finished_at IS NULL)
     OR 'now' IN (lower(new.created_at), lower(new.updated_at), lower(new.run_after), lower(new.started_at),
                  lower(new.finished_at))
     -- A number counts as days since the year -4713.
     OR strftime('%Y', new.created_at) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.updated_at) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.run_after) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.started_at) NOT BETWEEN '0000' AND '9999'
     OR strftime('%Y', new.finished_at) NOT BETWEEN '0000' AND '9999';
  UPDATE data_sync_jobs
  SET created_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.created_at, '+0 days'),
      updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.updated_at, '+0 days'),
      run_after = strftime('%Y-%m-%dT%H:%M:%f000Z', new.run_after, '+0 days'),
      started_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.started_at, '+0 days'),
      finished_at = strftime('%Y-%m-%dT%H:%M:%f000Z', new.finished_at, '+0 days')
  WHERE seq = new.seq;
END;

-- By another kind of priority no sync would be found when it is its turn, nor any that is less urgent.
CREATE TRIGGER data_sync_jobs_priority_inserted AFTER INSERT ON data_sync_jobs
WHEN typeof(new.priority) <> 'integer' OR new.priority NOT BETWEEN -2147483648 AND 2147483647
BEGIN
  SELECT RAISE(ABORT, 'data_sync_jobs: priority is a whole number of 32 bits, more is more urgent');
END;

CREATE TRIGGER data_sync_jobs_priority_updated AFTER UPDATE OF priority ON data_sync_jobs
WHEN typeof(new.priority) <> 'integer' OR new.priority NOT BETWEEN -2147483648 AND 2147483647
BEGIN
  SELECT RAISE(ABORT, 'data_sync_jobs: priority is a whole number of 32 bits, more is more urgent');
END;
