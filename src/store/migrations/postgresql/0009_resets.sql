-- A reset goes bit by bit: what a sync has noted of its rows may be millions, and one statement over all of them would
-- keep the run's heartbeats waiting, or take longer than a statement may. As long as starts_over stands nothing noted
-- counts as applied, so what ended half-way is trusted by nobody, and the next run begins the reset again. Under names
-- of their own: a program that knows only the old functions must not take the beginning for the whole. Those stay, and
-- reset all at once, for a process that was started before this.

-- What the destination tables are to us is no matter of the position: ownership and generations stay, and which keys
-- were written, so that those that are gone at the source are still found.
CREATE FUNCTION syncflow_begin_reset(p_sync text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sync_state t SET starts_over = true WHERE t.sync_id = p_sync;
  UPDATE sync_mappings m SET position = '', appending = false, reconciled_at = NULL WHERE m.sync_id = p_sync;
END
$$;

CREATE FUNCTION syncflow_begin_held_reset(p_sync text, p_run text, p_owner text, p_epoch bigint, p_now timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  PERFORM syncflow_begin_reset(p_sync);
END
$$;

-- Gives some of the mapping's rows, from a key on, a hash that no row has; the last key, or null: there are no more.
CREATE FUNCTION syncflow_forget_hashes(p_sync text, p_run text, p_owner text, p_epoch bigint, p_mapping bigint,
                                       p_from uuid, p_limit integer, p_now timestamptz)
RETURNS uuid LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_none uuid := '00000000-0000-0000-0000-000000000000';
  v_keys uuid[];
BEGIN
  PERFORM syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  SELECT array_agg(n.key_hash) INTO v_keys FROM (
    SELECT w.key_hash FROM sync_rows w WHERE w.mapping_id = p_mapping AND w.key_hash >= p_from
    ORDER BY w.key_hash LIMIT p_limit) n;
  UPDATE sync_rows w SET row_hash = v_none
  WHERE w.mapping_id = p_mapping AND w.key_hash = ANY(v_keys) AND w.row_hash <> v_none;
  RETURN v_keys[p_limit];
END
$$;

CREATE FUNCTION syncflow_end_reset(p_sync text, p_run text, p_owner text, p_epoch bigint, p_now timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
  UPDATE sync_state t SET starts_over = false WHERE t.sync_id = p_sync;
END
$$;

-- The next run does the rest.
CREATE OR REPLACE FUNCTION syncflow_reset_sync(p_sync text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  -- The epoch moves but the lease stays until its time is over: what its holder is writing to the destination
  -- must be at an end before another may begin.
  UPDATE sync_state t SET epoch = t.epoch + 1 WHERE t.sync_id = p_sync;
  PERFORM syncflow_begin_reset(p_sync);
END
$$;
