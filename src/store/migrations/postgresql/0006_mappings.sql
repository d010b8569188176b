-- Mappings that left their sync, and runs that make room for others. See 0002_queue for locks and SQLSTATEs.

-- Forgets some rows of what is kept for a mapping of the sync that is none of these. False: there is no such mapping.
-- The mapping itself goes last: as long as it is there, the rest is found.
CREATE FUNCTION syncflow_forget_mappings_but(p_sync text, p_run text, p_owner text, p_epoch bigint, p_mappings text[],
                                             p_limit integer, p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off AS $$
DECLARE
  v_id bigint;
  v_mapping text;
  v_rows bigint;
  v_keys bigint;
  v_refused bigint;
BEGIN
  -- Nearly always there is none: that takes no lock.
  SELECT m.id, m.mapping INTO v_id, v_mapping FROM sync_mappings m
  WHERE m.sync_id = p_sync AND NOT m.mapping = ANY(p_mappings) ORDER BY m.id LIMIT 1;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  DELETE FROM sync_rows w WHERE w.mapping_id = v_id
    AND w.key_hash IN (SELECT s.key_hash FROM sync_rows s WHERE s.mapping_id = v_id LIMIT p_limit);
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  DELETE FROM sync_keys k WHERE k.mapping_id = v_id
    AND (k.key_set, k.key_hash) IN (SELECT s.key_set, s.key_hash FROM sync_keys s WHERE s.mapping_id = v_id LIMIT p_limit);
  GET DIAGNOSTICS v_keys = ROW_COUNT;
  DELETE FROM sync_row_errors e WHERE e.seq IN (
    SELECT s.seq FROM sync_row_errors s WHERE s.sync_id = p_sync AND s.mapping = v_mapping LIMIT p_limit);
  GET DIAGNOSTICS v_refused = ROW_COUNT;
  IF greatest(v_rows, v_keys, v_refused) < p_limit THEN DELETE FROM sync_mappings m WHERE m.id = v_id; END IF;
  RETURN true;
END
$$;

-- The end of a run that made room for others: its jobs lose the priority that a person gave them, by which they would
-- be claimed before those others again. What `syncflow_finish` takes, and does.
CREATE FUNCTION syncflow_finish_yielded(p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_kind text,
                                        p_error text, p_wait_us bigint, p_strategy text, p_tables text,
                                        p_hold_kind text, p_hold_reason text, p_hold_since timestamptz,
                                        p_now timestamptz, p_again boolean)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM FROM sync_state t WHERE t.sync_id = p_sync FOR NO KEY UPDATE;
  -- Undone with all the rest where the lease is no longer the run's.
  UPDATE data_sync_jobs j SET priority = least(j.priority, 0) WHERE j.run_id = p_run AND j.status = 'processing';
  PERFORM syncflow_finish(p_sync, p_run, p_owner, p_epoch, p_call, p_kind, p_error, p_wait_us, p_strategy, p_tables,
                          p_hold_kind, p_hold_reason, p_hold_since, p_now, p_again);
END
$$;
