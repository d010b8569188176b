-- What people ask for is done once, and told as done, also when its answer was lost: the caller names each call, and
-- another try asks by that name what was done. What found nothing notes nothing. See 0002_queue for locks.

CREATE TABLE syncflow_calls (
  call_id text COLLATE "C" PRIMARY KEY,
  done_at timestamptz NOT NULL DEFAULT now()
);

-- A table that comes later than the others: who may work on those may on this one.
DO $$
DECLARE
  v_right record;
BEGIN
  FOR v_right IN
    SELECT a.privilege_type AS name,
           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE c.oid = 'sync_state'::regclass
  LOOP
    EXECUTE format('GRANT %s ON syncflow_calls TO %s', v_right.name, v_right.role);
  END LOOP;
END
$$;

-- Waits for another try of the call, which may still be at work in the server though its client is gone. Asked for
-- every try: the first one may come in behind the second.
CREATE FUNCTION syncflow_was_done(p_call text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('syncflow call ' || p_call, 0));
  RETURN EXISTS (SELECT FROM syncflow_calls c WHERE c.call_id = p_call);
END
$$;

CREATE FUNCTION syncflow_forget_once(p_call text, p_sync text) RETURNS boolean LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
  IF syncflow_was_done(p_call) THEN RETURN true; END IF;
  IF NOT syncflow_forget_sync(p_sync) THEN RETURN false; END IF;
  INSERT INTO syncflow_calls(call_id) VALUES (p_call);
  RETURN true;
END
$$;

-- What the brake held passes with its hold. The sync is due for a look at once.
CREATE FUNCTION syncflow_lift_hold_once(p_call text, p_sync text) RETURNS boolean LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
  v_kind text;
BEGIN
  IF syncflow_was_done(p_call) THEN RETURN true; END IF;
  SELECT t.hold_kind INTO v_kind FROM sync_state t
  WHERE t.sync_id = p_sync AND t.hold_kind IS NOT NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  IF v_kind = 'brake' THEN
    UPDATE sync_mappings m SET brake = 2 WHERE m.sync_id = p_sync AND m.brake = 1;
  END IF;
  UPDATE sync_state t
  SET hold_kind = NULL, hold_reason = NULL, hold_since = NULL, next_run_at = NULL, looked_at_until = NULL
  WHERE t.sync_id = p_sync;
  INSERT INTO syncflow_calls(call_id) VALUES (p_call);
  PERFORM pg_notify(syncflow_channel(), '');
  RETURN true;
END
$$;

-- The job as it is now: also that of an earlier try, whatever became of it since.
CREATE FUNCTION syncflow_retry_once(p_call text, p_job text, p_priority integer, p_now timestamptz)
RETURNS SETOF syncflow_job LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF syncflow_was_done(p_call) THEN
    RETURN QUERY SELECT * FROM syncflow_find_job(p_job);
    RETURN;
  END IF;
  -- It may be a text that cannot be an id.
  IF NOT EXISTS (SELECT FROM syncflow_find_job(p_job)) THEN RETURN; END IF;
  RETURN QUERY SELECT * FROM syncflow_retry_job(p_job, p_priority, p_now);
  IF FOUND THEN INSERT INTO syncflow_calls(call_id) VALUES (p_call); END IF;
END
$$;

CREATE FUNCTION syncflow_cancel_once(p_call text, p_job text, p_now timestamptz)
RETURNS SETOF syncflow_job LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF syncflow_was_done(p_call) THEN
    RETURN QUERY SELECT * FROM syncflow_find_job(p_job);
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM syncflow_find_job(p_job)) THEN RETURN; END IF;
  RETURN QUERY SELECT * FROM syncflow_cancel_job(p_job, p_now);
  IF FOUND THEN INSERT INTO syncflow_calls(call_id) VALUES (p_call); END IF;
END
$$;
