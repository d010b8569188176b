-- Syncs and positions as functions, each one transaction. See 0002_queue for locks and SQLSTATEs.

-- Processes that apply the file at the same time take turns, and the later ones find nothing to change.
CREATE FUNCTION syncflow_apply_syncs(p_ids text[], p_names text[], p_teams text[], p_statuses text[], p_providers text[],
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
        looked_at_until = NULL;
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
    UPDATE sync_state t SET hold_kind = 'removed', hold_since = v_now, hold_reason = format(
      'sync %s is no longer in the config: put it back, or drop what is kept for it with `syncflow forget %s`',
      v_sync.name, v_sync.name)
    WHERE t.sync_id = v_sync.id;
  END LOOP;
  PERFORM pg_notify(syncflow_channel(), '');
END
$$;

-- Takes syncs that are due for a look: nobody else gets them until they are polled, or the time is over.
CREATE FUNCTION syncflow_take_due(p_limit integer, p_look_us bigint, p_now timestamptz)
RETURNS SETOF syncflow_syncs LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_syncs text[];
BEGIN
  SELECT array_agg(n.sync_id) INTO v_syncs FROM (
    SELECT t.sync_id FROM sync_state t
    WHERE t.poll_at <= v_now AND (t.queued_run_after IS NULL OR t.queued_run_after > v_now)
      AND (t.looked_at_until IS NULL OR t.looked_at_until <= v_now)
    ORDER BY t.poll_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED) n;
  UPDATE sync_state t SET looked_at_until = v_now + p_look_us * interval '1 microsecond' WHERE t.sync_id = ANY(v_syncs);
  RETURN QUERY SELECT s.* FROM unnest(v_syncs) WITH ORDINALITY AS n(id, place) JOIN syncflow_syncs s ON s.id = n.id ORDER BY n.place;
END
$$;

CREATE FUNCTION syncflow_forget_sync(p_sync text) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM FROM sync_state t WHERE t.sync_id = p_sync FOR UPDATE;
  DELETE FROM sync_run_jobs rj USING data_sync_jobs j
  WHERE rj.job_seq = j.seq AND j.sync_id = syncflow_sync_id(p_sync);
  DELETE FROM data_sync_jobs j WHERE j.sync_id = syncflow_sync_id(p_sync);
  DELETE FROM sync_runs r WHERE r.sync_id = p_sync;
  DELETE FROM sync_row_errors e WHERE e.sync_id = p_sync;
  DELETE FROM sync_rows w USING sync_mappings m WHERE w.mapping_id = m.id AND m.sync_id = p_sync;
  DELETE FROM sync_keys k USING sync_mappings m WHERE k.mapping_id = m.id AND m.sync_id = p_sync;
  DELETE FROM sync_mappings m WHERE m.sync_id = p_sync;
  DELETE FROM sync_definitions d WHERE d.id = p_sync;
  RETURN FOUND;
END
$$;

-- What the destination tables are to us is no matter of the position: ownership and generations stay, and which
-- keys were written, so that those that are gone at the source are still found. Their hashes match no row.
CREATE FUNCTION syncflow_forget_positions(p_sync text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sync_rows w SET row_hash = '00000000-0000-0000-0000-000000000000'
  FROM sync_mappings m WHERE w.mapping_id = m.id AND m.sync_id = p_sync;
  UPDATE sync_state t SET starts_over = false WHERE t.sync_id = p_sync;
  UPDATE sync_mappings m SET position = '', appending = false, reconciled_at = NULL WHERE m.sync_id = p_sync;
END
$$;

CREATE FUNCTION syncflow_reset_sync(p_sync text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  -- The epoch moves but the lease stays until its time is over: what its holder is writing to the destination
  -- must be at an end before another may begin.
  UPDATE sync_state t SET epoch = t.epoch + 1 WHERE t.sync_id = p_sync;
  PERFORM syncflow_forget_positions(p_sync);
END
$$;

CREATE FUNCTION syncflow_reset_held_sync(p_sync text, p_run text, p_owner text, p_epoch bigint, p_now timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  PERFORM syncflow_forget_positions(p_sync);
END
$$;

CREATE FUNCTION syncflow_commit(
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
  IF p_again AND EXISTS (SELECT FROM sync_runs r WHERE r.id = p_run AND r.last_call = p_call) THEN RETURN; END IF;
  v_now := syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
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
  IF p_clear_all THEN
    DELETE FROM sync_rows w WHERE w.mapping_id = v_mapping;
    DELETE FROM sync_keys k WHERE k.mapping_id = v_mapping;
    DELETE FROM sync_row_errors e WHERE e.sync_id = p_sync AND e.mapping = p_mapping;
  END IF;
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

-- `p_again`: the position may stand where an earlier try put it.
CREATE FUNCTION syncflow_commit_look(p_sync text, p_mapping text, p_before bytea, p_after bytea, p_again boolean)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM FROM sync_state t WHERE t.sync_id = p_sync AND t.lease_until IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE sync_mappings m SET position = p_after
  WHERE m.sync_id = p_sync AND m.mapping = p_mapping
    AND (m.position = p_before OR (p_again AND m.position = p_after));
  RETURN FOUND;
END
$$;

-- Forgets some jobs or runs that finished before a time; returns how many. How a sync's last run ended says whether
-- what is known of its rows can be trusted, however long ago that was: it stays.
CREATE FUNCTION syncflow_sweep_jobs(p_before timestamptz, p_limit integer) RETURNS bigint LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  v_seqs bigint[];
BEGIN
  SELECT array_agg(n.seq) INTO v_seqs FROM (
    SELECT j.seq FROM data_sync_jobs j WHERE j.finished_at < p_before AND j.status IN ('completed', 'failed')
    ORDER BY j.finished_at LIMIT p_limit FOR UPDATE SKIP LOCKED) n;
  DELETE FROM sync_run_jobs rj WHERE rj.job_seq = ANY(v_seqs);
  DELETE FROM data_sync_jobs j WHERE j.seq = ANY(v_seqs);
  RETURN coalesce(cardinality(v_seqs), 0);
END
$$;

CREATE FUNCTION syncflow_sweep_runs(p_before timestamptz, p_limit integer) RETURNS bigint LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  v_seqs bigint[];
BEGIN
  SELECT array_agg(n.seq) INTO v_seqs FROM (
    SELECT r.seq FROM sync_runs r WHERE r.finished_at < p_before AND r.status <> 'processing'
      AND r.seq < (SELECT max(l.seq) FROM sync_runs l WHERE l.sync_id = r.sync_id)
    ORDER BY r.finished_at LIMIT p_limit FOR UPDATE SKIP LOCKED) n;
  DELETE FROM sync_run_jobs rj WHERE rj.run_seq = ANY(v_seqs);
  DELETE FROM sync_runs r WHERE r.seq = ANY(v_seqs);
  RETURN coalesce(cardinality(v_seqs), 0);
END
$$;
