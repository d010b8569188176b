-- Functions that replace those of 0002_queue and 0003_positions, where locks and SQLSTATEs are told.

-- A second try waits until the first one is over, which may still be at work in the server though its client is gone,
-- and only then asks what it did: commits and ends of runs wait for the sync's row, claims for the name of the run.

CREATE OR REPLACE FUNCTION syncflow_claim(p_owner text, p_run text, p_lease_us bigint, p_only text[], p_now timestamptz,
                               p_again boolean)
RETURNS TABLE (epoch bigint, attempt integer, sync syncflow_syncs, job syncflow_job) LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_now timestamptz;
  v_sync text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('syncflow run ' || p_run, 0));
  v_now := coalesce(p_now, clock_timestamp());
  IF NOT p_again OR NOT EXISTS (SELECT FROM sync_runs r WHERE r.id = p_run) THEN
    PERFORM syncflow_take_notice(v_now);
    FOR v_sync IN
      SELECT t.sync_id FROM sync_state t WHERE t.lease_until <= v_now ORDER BY t.lease_until FOR NO KEY UPDATE SKIP LOCKED
    LOOP
      PERFORM syncflow_hand_back(v_sync, v_now, 'the worker was lost: its lease ran out');
    END LOOP;
    -- Each round without a claim corrects one sync's state, so this ends.
    LOOP
      v_sync := syncflow_next_sync(p_only, v_now);
      IF v_sync IS NULL THEN RETURN; END IF;
      EXIT WHEN syncflow_take(v_sync, p_owner, p_run, p_lease_us, v_now);
    END LOOP;
  END IF;
  RETURN QUERY
  SELECT t.epoch, r.attempt, s, j FROM sync_runs r JOIN sync_state t ON t.sync_id = r.sync_id
  JOIN syncflow_syncs s ON s.id = r.sync_id
  CROSS JOIN LATERAL syncflow_jobs(ARRAY(SELECT k.seq FROM data_sync_jobs k WHERE k.run_id = p_run AND k.status = 'processing')) j
  WHERE r.id = p_run AND t.lease_run = p_run ORDER BY j.priority DESC, j.seq;
END
$$;

CREATE OR REPLACE FUNCTION syncflow_finish(p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_kind text,
                                p_error text, p_wait_us bigint, p_strategy text, p_tables text, p_hold_kind text,
                                p_hold_reason text, p_hold_since timestamptz, p_now timestamptz, p_again boolean)
RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  v_now timestamptz;
  v_until timestamptz;
  v_over boolean := p_kind IN ('completed', 'failed');
  v_holds boolean;
  v_waiting timestamptz;
BEGIN
  PERFORM FROM sync_state t WHERE t.sync_id = p_sync FOR NO KEY UPDATE;
  IF p_again AND EXISTS (SELECT FROM sync_runs r WHERE r.id = p_run AND r.last_call = p_call) THEN RETURN; END IF;
  v_now := syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  v_until := v_now + p_wait_us * interval '1 microsecond';
  IF v_over THEN
    UPDATE data_sync_jobs j
    SET status = syncflow_status(p_kind), error = nullif(p_error, ''), finished_at = v_now, updated_at = v_now
    WHERE j.run_id = p_run AND j.status = 'processing';
  ELSE
    UPDATE data_sync_jobs j
    SET status = 'pending', noticed = true, run_id = NULL, started_at = NULL,
        retry_count = j.retry_count + CASE p_kind WHEN 'retry' THEN 1 ELSE 0 END,
        error = coalesce(nullif(p_error, ''), j.error), run_after = v_until, updated_at = v_now
    WHERE j.run_id = p_run AND j.status = 'processing';
  END IF;
  UPDATE sync_runs r
  SET status = CASE p_kind WHEN 'completed' THEN 'completed' WHEN 'give_back' THEN 'yielded' ELSE 'failed' END,
      strategy = p_strategy, error = p_error, finished_at = v_now, tables = p_tables, last_call = p_call
  WHERE r.id = p_run;
  -- A sync that left the config stays held for that.
  SELECT p_hold_kind IS NOT NULL AND t.hold_kind IS DISTINCT FROM 'removed' INTO v_holds
  FROM sync_state t WHERE t.sync_id = p_sync;
  UPDATE sync_state t
  SET lease_owner = NULL, lease_run = NULL, lease_until = NULL,
      backoff_until = CASE WHEN NOT v_over AND p_wait_us > 0 THEN v_until END,
      hold_kind = CASE WHEN v_holds THEN p_hold_kind ELSE t.hold_kind END,
      hold_reason = CASE WHEN v_holds THEN p_hold_reason ELSE t.hold_reason END,
      hold_since = CASE WHEN v_holds THEN p_hold_since ELSE t.hold_since END,
      (queued_run_after, queued_priority) =
        (SELECT min(j.run_after), coalesce(max(j.priority), 0) FROM data_sync_jobs j
         WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending'
           AND (j.team_id = syncflow_team_id(t.team_id) OR j.team_id IS NULL))
  WHERE t.sync_id = p_sync RETURNING t.waiting_at INTO v_waiting;
  IF v_waiting IS NOT NULL THEN PERFORM syncflow_wake(p_sync, v_now); END IF;
END
$$;

CREATE OR REPLACE FUNCTION syncflow_commit(
  p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_mapping text, p_position bytea, p_data text,
  p_shape text, p_owned boolean, p_appending boolean, p_generation bigint, p_outgrown timestamptz,
  p_reconciled_at timestamptz, p_reconciled text, p_brake integer,
  p_clear_all boolean, p_forgotten uuid[], p_keys uuid[], p_hashes uuid[], p_generations bigint[], p_key_texts bytea[],
  p_forget_below bigint, p_cleared bytea[], p_ids text[], p_tables text[], p_refused bytea[], p_fields text[],
  p_reasons text[], p_refused_hashes uuid[],
  -- Changes of key sets in their order: of each its set and whether that is emptied first; of each key the change it
  -- belongs to, counted from 1.
  p_sets integer[], p_set_clears boolean[], p_set_added uuid[], p_set_added_of integer[], p_set_removed uuid[],
  p_set_removed_of integer[], p_figures bigint[], p_now timestamptz, p_again boolean)
RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off AS $$
DECLARE
  v_now timestamptz;
  v_mapping bigint;
  v_team text;
BEGIN
  PERFORM FROM sync_state t WHERE t.sync_id = p_sync FOR NO KEY UPDATE;
  IF p_again AND EXISTS (SELECT FROM sync_runs r WHERE r.id = p_run AND r.last_call = p_call) THEN RETURN; END IF;
  v_now := syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  IF p_clear_all THEN
    DELETE FROM sync_mappings m WHERE m.sync_id = p_sync AND m.mapping = p_mapping;
    DELETE FROM sync_row_errors e WHERE e.sync_id = p_sync AND e.mapping = p_mapping;
  END IF;
  INSERT INTO sync_mappings(sync_id, mapping, position, fingerprint_data, fingerprint_shape, owned, appending,
                            generation, outgrown_since, reconciled_at, reconciled, brake)
  VALUES (p_sync, p_mapping, p_position, p_data, p_shape, p_owned, p_appending, p_generation, p_outgrown,
          p_reconciled_at, p_reconciled, p_brake)
  ON CONFLICT (sync_id, mapping) DO UPDATE SET position = excluded.position,
    fingerprint_data = excluded.fingerprint_data, fingerprint_shape = excluded.fingerprint_shape,
    owned = excluded.owned, appending = excluded.appending, generation = excluded.generation,
    outgrown_since = excluded.outgrown_since, reconciled_at = excluded.reconciled_at,
    reconciled = excluded.reconciled, brake = excluded.brake
  RETURNING id INTO v_mapping;
  IF cardinality(p_forgotten) > 0 THEN
    DELETE FROM sync_rows w USING unnest(p_forgotten) AS f(key_hash)
    WHERE w.mapping_id = v_mapping AND w.key_hash = f.key_hash;
  END IF;
  IF cardinality(p_keys) > 0 THEN
    -- A key that stands here twice: the last one counts.
    INSERT INTO sync_rows(mapping_id, key_hash, row_hash, generation, key)
    SELECT DISTINCT ON (n.key_hash) v_mapping, n.key_hash, n.row_hash, n.generation, n.key
    FROM unnest(p_keys, p_hashes, p_generations, p_key_texts) WITH ORDINALITY
      AS n(key_hash, row_hash, generation, key, place)
    ORDER BY n.key_hash, n.place DESC
    ON CONFLICT (mapping_id, key_hash) DO UPDATE
    SET row_hash = excluded.row_hash, key = excluded.key, generation = excluded.generation;
  END IF;
  IF p_forget_below IS NOT NULL THEN
    DELETE FROM sync_rows w WHERE w.mapping_id = v_mapping AND w.generation < p_forget_below;
  END IF;
  IF cardinality(p_cleared) > 0 AND EXISTS (SELECT FROM sync_row_errors e WHERE e.sync_id = p_sync AND e.mapping = p_mapping) THEN
    DELETE FROM sync_row_errors e USING unnest(p_cleared) AS c(key)
    WHERE e.sync_id = p_sync AND e.mapping = p_mapping AND sha256(e.key) = sha256(c.key);
  END IF;
  IF cardinality(p_ids) > 0 THEN
    SELECT t.team_id INTO v_team FROM sync_state t WHERE t.sync_id = p_sync;
    FOR i IN 1 .. cardinality(p_ids) LOOP
      INSERT INTO sync_row_errors AS e (id, sync_id, team_id, mapping, "table", key, field, reason, attempts,
                                        first_seen_at, last_seen_at, row_hash)
      VALUES (p_ids[i], p_sync, v_team, p_mapping, p_tables[i], p_refused[i], p_fields[i], p_reasons[i], 1, v_now,
              v_now, p_refused_hashes[i])
      ON CONFLICT (sync_id, mapping, sha256(key)) DO UPDATE SET field = excluded.field, reason = excluded.reason,
        "table" = excluded."table", attempts = e.attempts + 1, last_seen_at = excluded.last_seen_at,
        row_hash = excluded.row_hash;
    END LOOP;
  END IF;
  FOR i IN 1 .. cardinality(p_sets) LOOP
    IF p_set_clears[i] THEN
      DELETE FROM sync_keys k WHERE k.mapping_id = v_mapping AND k.key_set = p_sets[i];
    END IF;
    INSERT INTO sync_keys(mapping_id, key_set, key_hash)
    SELECT v_mapping, p_sets[i], a.key_hash FROM unnest(p_set_added, p_set_added_of) AS a(key_hash, change)
    WHERE a.change = i ON CONFLICT DO NOTHING;
    DELETE FROM sync_keys k USING unnest(p_set_removed, p_set_removed_of) AS r(key_hash, change)
    WHERE r.change = i AND k.mapping_id = v_mapping AND k.key_set = p_sets[i] AND k.key_hash = r.key_hash;
  END LOOP;
  UPDATE sync_runs r
  SET read = r.read + p_figures[1], written = r.written + p_figures[2], deleted = r.deleted + p_figures[3],
      unchanged = r.unchanged + p_figures[4], filtered = r.filtered + p_figures[5],
      collapsed = r.collapsed + p_figures[6], quarantined = r.quarantined + p_figures[7],
      bytes = r.bytes + p_figures[8], last_call = p_call
  WHERE r.id = p_run;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'SF004', MESSAGE = format('run %s holds the lease but is not in the store', p_run);
  END IF;
END
$$;

-- What a mapping has noted of rows and keys may be of any size. A mapping that is deleted leaves a row of its id without
-- a sync behind, by which that is found and swept, some at a time; the mapping itself gets a new id when it comes back.
ALTER TABLE sync_mappings ALTER COLUMN sync_id DROP NOT NULL;

CREATE FUNCTION syncflow_mapping_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO sync_mappings(id, mapping, position, fingerprint_data, fingerprint_shape, owned, appending, generation)
  VALUES (old.id, old.mapping, '', '', '', false, false, 0);
  RETURN NULL;
END
$$;
CREATE TRIGGER syncflow_mapping_deleted AFTER DELETE ON sync_mappings
FOR EACH ROW WHEN (old.sync_id IS NOT NULL) EXECUTE FUNCTION syncflow_mapping_deleted();

-- Delete some of what a deleted mapping has noted, from a key on; the last key, or null: there are no more. Who begins
-- behind the last key passes over no dead rows.
CREATE FUNCTION syncflow_sweep_rows(p_mapping bigint, p_from uuid, p_limit integer) RETURNS uuid LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_keys uuid[];
BEGIN
  SELECT array_agg(n.key_hash) INTO v_keys FROM (
    SELECT w.key_hash FROM sync_rows w WHERE w.mapping_id = p_mapping AND w.key_hash >= p_from
    ORDER BY w.key_hash LIMIT p_limit) n;
  DELETE FROM sync_rows w WHERE w.mapping_id = p_mapping AND w.key_hash = ANY(v_keys);
  RETURN v_keys[p_limit];
END
$$;

CREATE FUNCTION syncflow_sweep_keys(p_mapping bigint, p_set integer, p_from uuid, p_limit integer) RETURNS uuid
LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_keys uuid[];
BEGIN
  SELECT array_agg(n.key_hash) INTO v_keys FROM (
    SELECT k.key_hash FROM sync_keys k WHERE k.mapping_id = p_mapping AND k.key_set = p_set AND k.key_hash >= p_from
    ORDER BY k.key_hash LIMIT p_limit) n;
  DELETE FROM sync_keys k WHERE k.mapping_id = p_mapping AND k.key_set = p_set AND k.key_hash = ANY(v_keys);
  RETURN v_keys[p_limit];
END
$$;

CREATE OR REPLACE FUNCTION syncflow_forget_sync(p_sync text) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM FROM sync_state t WHERE t.sync_id = p_sync FOR UPDATE;
  DELETE FROM sync_run_jobs rj USING data_sync_jobs j
  WHERE rj.job_seq = j.seq AND j.sync_id = syncflow_sync_id(p_sync);
  DELETE FROM data_sync_jobs j WHERE j.sync_id = syncflow_sync_id(p_sync);
  DELETE FROM sync_runs r WHERE r.sync_id = p_sync;
  DELETE FROM sync_row_errors e WHERE e.sync_id = p_sync;
  DELETE FROM sync_mappings m WHERE m.sync_id = p_sync;
  DELETE FROM sync_definitions d WHERE d.id = p_sync;
  RETURN FOUND;
END
$$;

-- A run that began under another version of its sync's definition than the sync has now ends after its batch.
ALTER TABLE sync_state
  ADD COLUMN definition_version bigint NOT NULL DEFAULT 0,  -- counts changes of the definition, and leaving the config
  ADD COLUMN lease_version      bigint NOT NULL DEFAULT 0;  -- what that was when the lease was granted

CREATE OR REPLACE FUNCTION syncflow_apply_syncs(p_ids text[], p_names text[], p_teams text[], p_statuses text[], p_providers text[],
                                     p_sources text[], p_destinations text[], p_schedules text[],
                                     p_definitions text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_now timestamptz;
  v_sync record;
BEGIN
  PERFORM pg_advisory_xact_lock(x'53594e47'::integer, ('sync_definitions'::regclass::oid::bigint - 2147483648)::integer);
  v_now := coalesce(p_now, clock_timestamp());
  FOR v_sync IN
    SELECT n.*, d.id IS NULL AS is_new, d.team_id AS old_team,
           (d.name, d.team_id, d.status, d.provider, d.source, d.destination, d.schedule, d.definition) IS DISTINCT FROM
           (n.name, n.team_id, n.status, n.provider, n.source, n.destination, n.schedule, n.definition) AS differs
    FROM unnest(p_ids, p_names, p_teams, p_statuses, p_providers, p_sources, p_destinations, p_schedules, p_definitions)
      AS n(id, name, team_id, status, provider, source, destination, schedule, definition)
    LEFT JOIN sync_definitions d ON d.id = n.id LEFT JOIN sync_state t ON t.sync_id = n.id
    WHERE d.id IS NULL OR t.hold_kind = 'removed'
       OR (d.name, d.team_id, d.status, d.provider, d.source, d.destination, d.schedule, d.definition) IS DISTINCT FROM
          (n.name, n.team_id, n.status, n.provider, n.source, n.destination, n.schedule, n.definition)
    ORDER BY n.id
  LOOP
    IF v_sync.differs THEN
      INSERT INTO sync_definitions(id, name, team_id, status, provider, source, destination, schedule, definition)
      VALUES (v_sync.id, v_sync.name, v_sync.team_id, v_sync.status, v_sync.provider, v_sync.source,
              v_sync.destination, v_sync.schedule, v_sync.definition)
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, team_id = excluded.team_id, status = excluded.status,
        provider = excluded.provider, source = excluded.source, destination = excluded.destination,
        schedule = excluded.schedule, definition = excluded.definition;
      -- What was changed is looked at now, not when the old schedule would have had its turn.
      INSERT INTO sync_state(sync_id, team_id, active) VALUES (v_sync.id, v_sync.team_id, v_sync.status = 'active')
      ON CONFLICT (sync_id) DO UPDATE SET team_id = excluded.team_id, active = excluded.active, next_run_at = NULL,
        looked_at_until = NULL, definition_version = sync_state.definition_version + 1;
    END IF;
    IF v_sync.old_team <> v_sync.team_id THEN
      UPDATE sync_runs r SET team_id = v_sync.team_id WHERE r.sync_id = v_sync.id;
      UPDATE sync_row_errors e SET team_id = v_sync.team_id WHERE e.sync_id = v_sync.id;
      -- Its pending jobs are now another team's: the next claim says so.
      UPDATE data_sync_jobs j SET noticed = false
      WHERE j.sync_id = syncflow_sync_id(v_sync.id) AND j.status = 'pending';
      PERFORM syncflow_recount(v_sync.id);
    END IF;
    UPDATE sync_state t SET hold_kind = NULL, hold_reason = NULL, hold_since = NULL, next_run_at = NULL, looked_at_until = NULL
    WHERE t.sync_id = v_sync.id AND t.hold_kind = 'removed';
  END LOOP;
  FOR v_sync IN
    SELECT d.id, d.name FROM sync_definitions d JOIN sync_state t ON t.sync_id = d.id
    WHERE t.hold_kind IS DISTINCT FROM 'removed' AND NOT d.id = ANY(p_ids) ORDER BY d.id
  LOOP
    UPDATE sync_state t
    SET definition_version = t.definition_version + 1, hold_kind = 'removed', hold_since = v_now, hold_reason = format(
      'sync %s is no longer in the config: put it back, or drop what is kept for it with `syncflow forget %s`',
      v_sync.name, v_sync.name)
    WHERE t.sync_id = v_sync.id;
  END LOOP;
  PERFORM pg_notify(syncflow_channel(), '');
END
$$;

CREATE OR REPLACE FUNCTION syncflow_take(p_sync text, p_owner text, p_run text, p_lease_us bigint, p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_team text;
  v_provider text;
  v_seqs bigint[];
  v_job text;
  v_priority integer;
  v_attempt integer;
  v_run_seq bigint;
  v_after timestamptz;
  v_next integer;
BEGIN
  SELECT d.team_id, d.provider INTO v_team, v_provider FROM sync_definitions d WHERE d.id = p_sync;
  WITH taken AS (
    UPDATE data_sync_jobs j
    SET status = 'processing', run_id = p_run, started_at = p_now, updated_at = p_now, noticed = false,
        team_id = syncflow_team_id(v_team), provider = coalesce(nullif(j.provider, ''), v_provider)
    WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending' AND j.run_after <= p_now
      AND (j.team_id = syncflow_team_id(v_team) OR j.team_id IS NULL)
    RETURNING j.seq, j.id::text AS id, j.priority, j.retry_count)
  SELECT array_agg(k.seq), (array_agg(k.id ORDER BY k.priority DESC, k.seq))[1], max(k.priority),
         coalesce(max(k.retry_count), 0) + 1
  INTO v_seqs, v_job, v_priority, v_attempt FROM taken k;
  SELECT min(j.run_after), coalesce(max(j.priority), 0) INTO v_after, v_next FROM data_sync_jobs j
  WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending'
    AND (j.team_id = syncflow_team_id(v_team) OR j.team_id IS NULL);
  IF v_seqs IS NULL THEN
    UPDATE sync_state t SET queued_run_after = v_after, queued_priority = v_next WHERE t.sync_id = p_sync;
    RETURN false;
  END IF;
  UPDATE sync_state t
  SET queued_run_after = v_after, queued_priority = v_next, epoch = t.epoch + 1, lease_owner = p_owner,
      lease_run = p_run, lease_until = p_now + p_lease_us * interval '1 microsecond', lease_version = t.definition_version,
      backoff_until = NULL
  WHERE t.sync_id = p_sync;
  INSERT INTO sync_runs(id, job_id, sync_id, team_id, attempt, status, started_at)
  VALUES (p_run, v_job, p_sync, v_team, v_attempt, 'processing', p_now) RETURNING seq INTO v_run_seq;
  INSERT INTO sync_run_jobs(job_seq, run_seq) SELECT s, v_run_seq FROM unnest(v_seqs) s;
  PERFORM syncflow_note_turn(v_priority, v_team);
  RETURN true;
END
$$;

-- Extends the lease. False: the sync is not as it was when the run began.
DROP FUNCTION syncflow_heartbeat(text, text, text, bigint, bigint, timestamptz);
CREATE FUNCTION syncflow_heartbeat(p_sync text, p_run text, p_owner text, p_epoch bigint, p_lease_us bigint,
                                   p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_now timestamptz := syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  v_same boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM data_sync_jobs j WHERE j.run_id = p_run AND j.status = 'processing') THEN
    RAISE EXCEPTION USING ERRCODE = 'SF002',
      MESSAGE = format('sync %s: every job of run %s was cancelled', p_sync, p_run);
  END IF;
  UPDATE sync_state t SET lease_until = v_now + p_lease_us * interval '1 microsecond' WHERE t.sync_id = p_sync
  RETURNING t.lease_version = t.definition_version INTO v_same;
  RETURN v_same;
END
$$;

-- Ids in columns of text are in lower case, a team's too; a pending job whose ids another program corrects is news.
CREATE OR REPLACE FUNCTION syncflow_job_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF new.id IS NULL THEN new.id := gen_random_uuid(); END IF;
  new.sync_id := lower(new.sync_id::text);
  new.team_id := lower(new.team_id::text);
  new.status := coalesce(new.status, 'pending');
  new.payload := coalesce(new.payload, '{}');
  new.retry_count := coalesce(new.retry_count, 0);
  new.created_at := coalesce(new.created_at, now());
  new.updated_at := coalesce(new.updated_at, now());
  new."trigger" := coalesce(new."trigger", 'external');
  new.run_after := coalesce(new.run_after, now());
  new.priority := coalesce(new.priority, 0);
  new.noticed := false;
  IF new.status = 'pending' THEN PERFORM pg_notify(syncflow_channel(), ''); END IF;
  RETURN new;
END
$$;

CREATE OR REPLACE FUNCTION syncflow_job_updated() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  new.sync_id := lower(new.sync_id::text);
  new.team_id := lower(new.team_id::text);
  new.noticed := false;
  PERFORM pg_notify(syncflow_channel(), '');
  RETURN new;
END
$$;

DROP TRIGGER syncflow_job_updated ON data_sync_jobs;
CREATE TRIGGER syncflow_job_updated BEFORE UPDATE ON data_sync_jobs
FOR EACH ROW WHEN (new.status = 'pending' AND new.noticed = old.noticed
                   AND (old.status IS DISTINCT FROM new.status
                        OR old.sync_id IS DISTINCT FROM new.sync_id OR old.team_id IS DISTINCT FROM new.team_id
                        OR (new.noticed AND (old.run_after <> new.run_after OR old.priority <> new.priority))))
EXECUTE FUNCTION syncflow_job_updated();

UPDATE data_sync_jobs SET team_id = syncflow_team_id(lower(team_id::text)), noticed = false
WHERE status = 'pending' AND team_id::text <> lower(team_id::text);

-- By index whatever is asked for: a text that cannot be an id of this table is the id of no job.
CREATE FUNCTION syncflow_find_job(p_id text) RETURNS SETOF syncflow_job LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY SELECT f.* FROM data_sync_jobs j CROSS JOIN LATERAL syncflow_jobs(ARRAY[j.seq]) f WHERE j.id = syncflow_id(p_id);
EXCEPTION WHEN invalid_text_representation THEN
  RETURN;
END
$$;
