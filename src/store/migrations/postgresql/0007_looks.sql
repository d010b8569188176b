-- Who took syncs for a look and lost the answer gets them by a second try: nobody else would look at them until the time
-- for a look is over, which is minutes.

ALTER TABLE sync_state ADD COLUMN looked_at_by text;  -- the call that took the sync, while looked_at_until lasts

DROP FUNCTION syncflow_take_due(integer, bigint, timestamptz);
CREATE FUNCTION syncflow_take_due(p_limit integer, p_look_us bigint, p_call text, p_now timestamptz, p_again boolean)
RETURNS SETOF syncflow_syncs LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_now timestamptz;
  v_syncs text[];
BEGIN
  -- The first try may still be at work in the server.
  PERFORM pg_advisory_xact_lock(hashtextextended('syncflow look ' || p_call, 0));
  v_now := coalesce(p_now, clock_timestamp());
  IF p_again THEN
    SELECT array_agg(t.sync_id) INTO v_syncs FROM sync_state t WHERE t.looked_at_by = p_call AND t.looked_at_until > v_now;
  END IF;
  IF v_syncs IS NULL THEN
    WITH idle AS (
      SELECT t.sync_id, t.poll_at FROM sync_state t
      WHERE t.poll_at <= v_now AND t.queued_run_after IS NULL
        AND (t.looked_at_until IS NULL OR t.looked_at_until <= v_now)
      ORDER BY t.poll_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED),
    early AS (
      SELECT t.sync_id, t.poll_at FROM sync_state t
      WHERE t.queued_run_after > v_now AND t.poll_at <= v_now
        AND (t.looked_at_until IS NULL OR t.looked_at_until <= v_now)
      ORDER BY t.poll_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED)
    SELECT array_agg(n.sync_id) INTO v_syncs FROM (
      SELECT a.sync_id FROM (TABLE idle UNION ALL TABLE early) a ORDER BY a.poll_at LIMIT p_limit) n;
    UPDATE sync_state t SET looked_at_until = v_now + p_look_us * interval '1 microsecond', looked_at_by = p_call
    WHERE t.sync_id = ANY(v_syncs);
  END IF;
  RETURN QUERY SELECT s.* FROM unnest(v_syncs) WITH ORDINALITY AS n(id, place) JOIN syncflow_syncs s ON s.id = n.id ORDER BY n.place;
END
$$;
