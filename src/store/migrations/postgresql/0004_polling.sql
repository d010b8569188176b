-- Finding syncs to look at costs no look at those that have jobs.

DROP INDEX sync_state_to_poll;
CREATE INDEX sync_state_to_poll ON sync_state(poll_at) WHERE poll_at IS NOT NULL AND queued_run_after IS NULL;
-- Those to look at though a job waits for its time.
CREATE INDEX sync_state_to_poll_early ON sync_state(queued_run_after)
  WHERE poll_at IS NOT NULL AND queued_run_after IS NOT NULL;

-- Syncs that are due for a look, in two halves, for an index each: most have no job, and those whose job waits for its
-- time are few.
CREATE FUNCTION syncflow_due(p_limit integer, p_now timestamptz) RETURNS SETOF syncflow_syncs LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  RETURN QUERY
  SELECT s.* FROM (
    (SELECT t.sync_id, t.poll_at FROM sync_state t WHERE t.poll_at <= v_now AND t.queued_run_after IS NULL
     ORDER BY t.poll_at LIMIT p_limit)
    UNION ALL
    (SELECT t.sync_id, t.poll_at FROM sync_state t WHERE t.queued_run_after > v_now AND t.poll_at <= v_now
     ORDER BY t.poll_at LIMIT p_limit)) n JOIN syncflow_syncs s ON s.id = n.sync_id
  ORDER BY n.poll_at LIMIT p_limit;
END
$$;

-- When the next sync gets due for a look; -infinity: one was never looked at.
CREATE FUNCTION syncflow_next_due(p_now timestamptz) RETURNS timestamptz LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  RETURN least(
    (SELECT min(t.poll_at) FROM sync_state t WHERE t.poll_at IS NOT NULL AND t.queued_run_after IS NULL),
    (SELECT min(t.poll_at) FROM sync_state t WHERE t.queued_run_after > v_now AND t.poll_at IS NOT NULL));
END
$$;

-- Takes syncs that are due for a look: nobody else gets them until they are polled, or the time is over.
CREATE OR REPLACE FUNCTION syncflow_take_due(p_limit integer, p_look_us bigint, p_now timestamptz)
RETURNS SETOF syncflow_syncs LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_syncs text[];
BEGIN
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
  UPDATE sync_state t SET looked_at_until = v_now + p_look_us * interval '1 microsecond' WHERE t.sync_id = ANY(v_syncs);
  RETURN QUERY SELECT s.* FROM unnest(v_syncs) WITH ORDINALITY AS n(id, place) JOIN syncflow_syncs s ON s.id = n.id ORDER BY n.place;
END
$$;
