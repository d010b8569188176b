-- The queue as functions, each one transaction: enqueue, claim, heartbeat, finish.
--
-- Locks: the row of a sync in sync_state goes first, then its jobs, then its runs. A claim looks at many syncs but
-- waits for none (SKIP LOCKED), so nobody waits in a circle. `p_now` is null but in tests: the server's clock.
-- `p_again` says that an earlier try of the same call may have happened: the connection was cut before its answer.
--
-- SQLSTATEs of ours: SF001 lease lost, SF002 cancelled, SF003 not found, SF004 bug, SF005 to be mended by a person.

CREATE FUNCTION syncflow_us(timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  $$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;

CREATE FUNCTION syncflow_channel() RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT 'syncflow_' || 'data_sync_jobs'::regclass::oid $$;

CREATE VIEW syncflow_syncs AS
SELECT d.id, d.name, d.team_id, d.status, d.provider, d.source, d.destination, d.schedule, d.definition, t.hold_kind,
       t.hold_reason, syncflow_us(t.hold_since) AS hold_since, syncflow_us(t.last_polled_at) AS last_polled_at,
       syncflow_us(t.next_run_at) AS next_run_at, t.failed_polls,
       CASE t.poll_trouble WHEN '' THEN t.message ELSE t.poll_trouble END AS message, t.starts_over
FROM sync_definitions d JOIN sync_state t ON t.sync_id = d.id;

CREATE TYPE syncflow_job AS (
  seq bigint, id text, sync_id text, team_id text, provider text, status text, payload text, error text,
  retry_count integer, created_at bigint, updated_at bigint, started_at bigint, finished_at bigint,
  "trigger" text, run_after bigint, priority integer);

CREATE FUNCTION syncflow_jobs(p_seqs bigint[]) RETURNS SETOF syncflow_job LANGUAGE sql STABLE AS $$
  SELECT j.seq, j.id::text, lower(j.sync_id::text),
         coalesce(lower(j.team_id::text),
                  (SELECT t.team_id FROM sync_state t WHERE t.sync_id = lower(j.sync_id::text)),
                  '00000000-0000-4000-8000-000000000001'),
         coalesce(j.provider, ''), j.status::text, coalesce(j.payload::text, '{}'), j.error, coalesce(j.retry_count, 0)::integer,
         syncflow_us(coalesce(j.created_at, j.run_after)),
         syncflow_us(coalesce(j.updated_at, j.created_at, j.run_after)), syncflow_us(j.started_at),
         syncflow_us(j.finished_at), j."trigger", syncflow_us(j.run_after), j.priority
  FROM data_sync_jobs j WHERE j.seq = ANY(p_seqs)
$$;

-- What others insert: a null where a value is needed means the default, and it is news.
CREATE FUNCTION syncflow_job_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF new.id IS NULL THEN new.id := gen_random_uuid(); END IF;
  new.sync_id := lower(new.sync_id::text);
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
CREATE TRIGGER syncflow_job_inserted BEFORE INSERT ON data_sync_jobs
FOR EACH ROW WHEN (new.noticed IS NOT TRUE) EXECUTE FUNCTION syncflow_job_inserted();

-- A job that another program makes pending, due earlier or later, or more urgent, is news too. The queue's own
-- functions turn `noticed` when they make a job pending.
CREATE FUNCTION syncflow_job_updated() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  new.noticed := false;
  PERFORM pg_notify(syncflow_channel(), '');
  RETURN new;
END
$$;
CREATE TRIGGER syncflow_job_updated BEFORE UPDATE ON data_sync_jobs
FOR EACH ROW WHEN (new.status = 'pending' AND new.noticed = old.noticed
                   AND (old.status IS DISTINCT FROM new.status
                        OR (new.noticed AND (old.run_after <> new.run_after OR old.priority <> new.priority))))
EXECUTE FUNCTION syncflow_job_updated();

-- Waits for the sync's row and returns the time then. Raises unless the lease is the sync's and has time left.
CREATE FUNCTION syncflow_require_lease(p_sync text, p_run text, p_owner text, p_epoch bigint, p_now timestamptz)
RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  v_until timestamptz;
  v_now timestamptz;
BEGIN
  SELECT t.lease_until INTO v_until FROM sync_state t
  WHERE t.sync_id = p_sync AND t.epoch = p_epoch AND t.lease_run = p_run FOR NO KEY UPDATE;
  v_now := coalesce(p_now, clock_timestamp());
  IF v_until > v_now THEN RETURN v_now; END IF;
  RAISE EXCEPTION USING ERRCODE = 'SF001', MESSAGE = format(
    'sync %s: run %s (epoch %s, worker %s) no longer holds the lease: its time ran out, or the sync was taken '
    'over, reset or forgotten', p_sync, p_run, p_epoch, p_owner);
END
$$;

-- Reads anew from the jobs what the sync's state says about pending ones.
CREATE FUNCTION syncflow_recount(p_sync text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sync_state t SET (queued_run_after, queued_priority) =
    (SELECT min(j.run_after), coalesce(max(j.priority), 0) FROM data_sync_jobs j
     WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending'
       AND (j.team_id = syncflow_team_id(t.team_id) OR j.team_id IS NULL))
  WHERE t.sync_id = p_sync;
END
$$;

-- Tells waiting workers, unless others wait to be claimed: then they were told, and claim until nothing is left.
CREATE FUNCTION syncflow_wake(p_sync text, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM sync_state t WHERE t.waiting_at <= p_now AND t.sync_id <> p_sync) THEN
    PERFORM pg_notify(syncflow_channel(), '');
  END IF;
END
$$;

CREATE FUNCTION syncflow_enqueue(p_sync text, p_job text, p_trigger text, p_priority integer, p_payload text,
                                 p_now timestamptz, p_again boolean)
RETURNS TABLE (created boolean, job syncflow_job) LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_now timestamptz;
  v_state sync_state;
  v_provider text;
  v_after timestamptz;
  v_job data_sync_jobs;
  v_resync boolean;
  v_says_more boolean;
  v_changed boolean := true;
  v_created boolean := false;
BEGIN
  SELECT t.* INTO v_state FROM sync_state t WHERE t.sync_id = p_sync FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'SF003', MESSAGE = format('there is no sync with the id %s', p_sync);
  END IF;
  IF p_again THEN
    SELECT j.* INTO v_job FROM data_sync_jobs j WHERE j.id = syncflow_id(p_job);
    IF FOUND THEN
      RETURN QUERY SELECT true, j FROM syncflow_jobs(ARRAY[v_job.seq]) j;
      RETURN;
    END IF;
  END IF;
  v_now := coalesce(p_now, clock_timestamp());
  v_after := CASE WHEN p_priority > 0 THEN v_now ELSE greatest(v_now, v_state.backoff_until) END;
  -- One that is due, or waits for a retry. What somebody asked for at a later time stays for itself.
  SELECT j.* INTO v_job FROM data_sync_jobs j
  WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending'
    AND (j.team_id = syncflow_team_id(v_state.team_id) OR j.team_id IS NULL)
    AND j.run_after <= greatest(v_now, v_state.backoff_until)
  ORDER BY j.seq LIMIT 1 FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    SELECT d.provider INTO v_provider FROM sync_definitions d WHERE d.id = p_sync;
    INSERT INTO data_sync_jobs(id, sync_id, team_id, provider, status, payload, retry_count, created_at, updated_at,
                               "trigger", run_after, priority, noticed)
    VALUES (syncflow_id(p_job), syncflow_sync_id(p_sync), syncflow_team_id(v_state.team_id), v_provider, 'pending',
            syncflow_payload(p_payload), 0, v_now, v_now, p_trigger, v_after, p_priority, true)
    RETURNING * INTO v_job;
    v_created := true;
  ELSE
    v_resync := p_trigger = 'resync' AND v_job."trigger" <> 'resync';
    v_says_more := v_job.payload::text = '{}' AND p_payload <> '{}';
    v_changed := v_resync OR v_says_more OR p_priority > v_job.priority OR v_after < v_job.run_after;
    IF v_changed THEN
      UPDATE data_sync_jobs j
      SET "trigger" = CASE WHEN v_resync THEN p_trigger ELSE j."trigger" END,
          payload = CASE WHEN v_resync OR v_says_more THEN syncflow_payload(p_payload) ELSE j.payload END,
          priority = greatest(j.priority, p_priority), run_after = least(j.run_after, v_after), updated_at = v_now
      WHERE j.seq = v_job.seq RETURNING * INTO v_job;
    END IF;
  END IF;
  IF v_changed OR p_trigger = 'resync' OR (p_priority > 0 AND v_state.backoff_until IS NOT NULL) THEN
    UPDATE sync_state t
    SET backoff_until = CASE WHEN p_priority > 0 THEN NULL ELSE t.backoff_until END,
        starts_over = t.starts_over OR p_trigger = 'resync',
        queued_priority = CASE WHEN t.queued_run_after IS NULL THEN v_job.priority
                               ELSE greatest(t.queued_priority, v_job.priority) END,
        queued_run_after = least(t.queued_run_after, v_job.run_after)
    WHERE t.sync_id = p_sync;
    PERFORM syncflow_wake(p_sync, v_now);
  END IF;
  RETURN QUERY SELECT v_created, j FROM syncflow_jobs(ARRAY[v_job.seq]) j;
END
$$;

-- Takes note of pending jobs that other programs made, some at a time: a flood of them holds up nobody. One process
-- at a time does so; syncs that somebody works at this moment stay news.
CREATE FUNCTION syncflow_take_notice(p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_news bigint[];
  v_syncs text[];
  v_served bigint[];  -- the news of these syncs
BEGIN
  IF NOT EXISTS (SELECT FROM data_sync_jobs j WHERE j.status = 'pending' AND NOT j.noticed) THEN RETURN; END IF;
  IF NOT pg_try_advisory_xact_lock(x'53594e46'::integer, ('data_sync_jobs'::regclass::oid::bigint - 2147483648)::integer) THEN
    RETURN;
  END IF;
  SELECT array_agg(n.seq) INTO v_news FROM (
    SELECT j.seq FROM data_sync_jobs j WHERE j.status = 'pending' AND NOT j.noticed ORDER BY j.seq LIMIT 1000) n;
  SELECT array_agg(n.sync_id) INTO v_syncs FROM (
    SELECT t.sync_id FROM sync_state t
    WHERE t.sync_id IN (SELECT lower(j.sync_id::text) FROM data_sync_jobs j WHERE j.seq = ANY(v_news))
    FOR NO KEY UPDATE SKIP LOCKED) n;
  -- Apart from what uses it: asked for both lists at once, a planner without statistics pairs each with each.
  SELECT array_agg(j.seq) INTO v_served FROM data_sync_jobs j
  WHERE j.seq = ANY(v_news) AND lower(j.sync_id::text) = ANY(v_syncs);
  -- A job that is due and will wait all the same says why.
  UPDATE data_sync_jobs j
  SET noticed = true, team_id = coalesce(j.team_id, syncflow_team_id(t.team_id)),
      error = CASE WHEN t.hold_kind IS NOT NULL THEN format('waits: sync %s is held: %s', d.name, t.hold_reason)
                   WHEN NOT t.active THEN format('waits: sync %s is %s', d.name, d.status)
                   ELSE j.error END
  FROM sync_state t JOIN sync_definitions d ON d.id = t.sync_id
  WHERE j.seq = ANY(v_served) AND j.status = 'pending' AND NOT j.noticed
    AND t.sync_id = lower(j.sync_id::text)
    AND (j.team_id IS NULL OR lower(j.team_id::text) = t.team_id);
  UPDATE sync_state t
  SET queued_priority = CASE WHEN t.queued_run_after IS NULL THEN n.priority
                             ELSE greatest(t.queued_priority, n.priority) END,
      queued_run_after = least(t.queued_run_after, n.run_after)
  FROM (SELECT lower(j.sync_id::text) AS sync_id, min(j.run_after) AS run_after, max(j.priority) AS priority
        FROM data_sync_jobs j WHERE j.seq = ANY(v_served) AND j.status = 'pending' AND j.noticed GROUP BY 1) n
  WHERE t.sync_id = n.sync_id;
  UPDATE data_sync_jobs j
  SET status = 'failed', finished_at = p_now, updated_at = p_now,
      error = coalesce(
        (SELECT format('sync %s (%s) is not of team %s: correct team_id', d.id, d.name, j.team_id)
         FROM sync_definitions d WHERE d.id = lower(j.sync_id::text)),
        format('there is no sync with the id %s: add it to the config, or correct sync_id', j.sync_id))
  WHERE j.seq = ANY(v_news) AND j.status = 'pending' AND NOT j.noticed
    AND NOT EXISTS (SELECT FROM sync_state t WHERE t.sync_id = lower(j.sync_id::text)
                      AND (j.team_id IS NULL OR lower(j.team_id::text) = t.team_id));
END
$$;

-- Hands back what the sync's worker held; returns how many jobs are pending again. The sync's row is locked.
CREATE FUNCTION syncflow_hand_back(p_sync text, p_now timestamptz, p_reason text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_jobs bigint;
BEGIN
  UPDATE sync_runs r SET status = 'failed', error = p_reason, finished_at = p_now
  WHERE r.id = (SELECT t.lease_run FROM sync_state t WHERE t.sync_id = p_sync) AND r.status = 'processing';
  -- Also jobs in processing without a lease, which only another program can have made.
  UPDATE data_sync_jobs j
  SET status = 'pending', run_id = NULL, started_at = NULL, updated_at = p_now, noticed = false
  WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'processing';
  GET DIAGNOSTICS v_jobs = ROW_COUNT;
  UPDATE sync_state t SET lease_owner = NULL, lease_run = NULL, lease_until = NULL WHERE t.sync_id = p_sync;
  PERFORM syncflow_recount(p_sync);
  RETURN v_jobs;
END
$$;

-- The sync whose turn it is, locked; null: nothing is due that nobody else is taking at this moment.
CREATE FUNCTION syncflow_next_sync(p_only text[], p_now timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_priority bigint := 2147483648;
  v_turn text;
  v_sync text;
BEGIN
  IF cardinality(p_only) > 0 THEN
    SELECT t.sync_id INTO v_sync FROM sync_state t WHERE t.sync_id = ANY(p_only) AND t.waiting_at <= p_now
    ORDER BY t.queued_priority DESC, t.waiting_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    RETURN v_sync;
  END IF;
  LOOP
    SELECT t.queued_priority INTO v_priority FROM sync_state t
    WHERE t.waiting_at <= p_now AND t.queued_priority < v_priority ORDER BY t.queued_priority DESC LIMIT 1;
    IF NOT FOUND THEN RETURN NULL; END IF;
    SELECT q.team_id INTO v_turn FROM queue_turns q WHERE q.priority = v_priority;
    -- Teams behind the one that was served last, then from the first one again.
    SELECT t.sync_id INTO v_sync FROM sync_state t
    WHERE t.queued_priority = v_priority AND t.waiting_at <= p_now AND t.team_id > v_turn
    ORDER BY t.team_id, t.waiting_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN RETURN v_sync; END IF;
    SELECT t.sync_id INTO v_sync FROM sync_state t
    WHERE t.queued_priority = v_priority AND t.waiting_at <= p_now
    ORDER BY t.team_id, t.waiting_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN RETURN v_sync; END IF;
  END LOOP;
END
$$;

CREATE FUNCTION syncflow_note_turn(p_priority integer, p_team text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_team text;
BEGIN
  -- Claims that run at the same moment do not wait for each other here: one of them notes its team.
  SELECT q.team_id INTO v_team FROM queue_turns q WHERE q.priority = p_priority;
  IF v_team = p_team THEN RETURN; END IF;
  IF v_team IS NULL THEN
    INSERT INTO queue_turns VALUES (p_priority, p_team) ON CONFLICT DO NOTHING;
    RETURN;
  END IF;
  PERFORM FROM queue_turns q WHERE q.priority = p_priority FOR NO KEY UPDATE SKIP LOCKED;
  IF FOUND THEN UPDATE queue_turns q SET team_id = p_team WHERE q.priority = p_priority; END IF;
END
$$;

-- Makes all due jobs of a locked sync one run. False: the sync's state promised jobs that are not there any more.
CREATE FUNCTION syncflow_take(p_sync text, p_owner text, p_run text, p_lease_us bigint, p_now timestamptz)
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
      lease_run = p_run, lease_until = p_now + p_lease_us * interval '1 microsecond', backoff_until = NULL
  WHERE t.sync_id = p_sync;
  INSERT INTO sync_runs(id, job_id, sync_id, team_id, attempt, status, started_at)
  VALUES (p_run, v_job, p_sync, v_team, v_attempt, 'processing', p_now) RETURNING seq INTO v_run_seq;
  INSERT INTO sync_run_jobs(job_seq, run_seq) SELECT s, v_run_seq FROM unnest(v_seqs) s;
  PERFORM syncflow_note_turn(v_priority, v_team);
  RETURN true;
END
$$;

-- The caller chooses the run's id, by which a second try finds what the first one took.
CREATE FUNCTION syncflow_claim(p_owner text, p_run text, p_lease_us bigint, p_only text[], p_now timestamptz,
                               p_again boolean)
RETURNS TABLE (epoch bigint, attempt integer, sync syncflow_syncs, job syncflow_job) LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_sync text;
BEGIN
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

CREATE FUNCTION syncflow_heartbeat(p_sync text, p_run text, p_owner text, p_epoch bigint, p_lease_us bigint,
                                   p_now timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_now timestamptz := syncflow_require_lease(p_sync, p_run, p_owner, p_epoch, p_now);
BEGIN
  IF NOT EXISTS (SELECT FROM data_sync_jobs j WHERE j.run_id = p_run AND j.status = 'processing') THEN
    RAISE EXCEPTION USING ERRCODE = 'SF002',
      MESSAGE = format('sync %s: every job of run %s was cancelled', p_sync, p_run);
  END IF;
  UPDATE sync_state t SET lease_until = v_now + p_lease_us * interval '1 microsecond' WHERE t.sync_id = p_sync;
END
$$;

-- `p_call` is new for each call: a second try finds what the first one did.
CREATE FUNCTION syncflow_finish(p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_kind text,
                                p_error text, p_wait_us bigint, p_strategy text, p_tables text, p_hold_kind text,
                                p_hold_reason text, p_hold_since timestamptz, p_now timestamptz, p_again boolean)
RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  v_now timestamptz;
  v_until timestamptz;
  v_over boolean := p_kind IN ('completed', 'failed');
  v_waiting timestamptz;
BEGIN
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
  UPDATE sync_state t
  SET lease_owner = NULL, lease_run = NULL, lease_until = NULL,
      backoff_until = CASE WHEN NOT v_over AND p_wait_us > 0 THEN v_until END,
      hold_kind = coalesce(p_hold_kind, t.hold_kind),
      hold_reason = CASE WHEN p_hold_kind IS NULL THEN t.hold_reason ELSE p_hold_reason END,
      hold_since = CASE WHEN p_hold_kind IS NULL THEN t.hold_since ELSE p_hold_since END,
      (queued_run_after, queued_priority) =
        (SELECT min(j.run_after), coalesce(max(j.priority), 0) FROM data_sync_jobs j
         WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending'
           AND (j.team_id = syncflow_team_id(t.team_id) OR j.team_id IS NULL))
  WHERE t.sync_id = p_sync RETURNING t.waiting_at INTO v_waiting;
  IF v_waiting IS NOT NULL THEN PERFORM syncflow_wake(p_sync, v_now); END IF;
END
$$;

CREATE FUNCTION syncflow_release_all(p_now timestamptz) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_sync text;
  v_jobs bigint := 0;
BEGIN
  FOR v_sync IN
    SELECT t.sync_id FROM sync_state t
    WHERE t.lease_run IS NOT NULL
       OR t.sync_id IN (SELECT lower(j.sync_id::text) FROM data_sync_jobs j WHERE j.status = 'processing')
    ORDER BY t.sync_id FOR NO KEY UPDATE
  LOOP
    v_jobs := v_jobs + syncflow_hand_back(v_sync, v_now, 'the process that worked on it ended');
  END LOOP;
  RETURN v_jobs;
END
$$;

CREATE FUNCTION syncflow_retry_job(p_job text, p_priority integer, p_now timestamptz)
RETURNS SETOF syncflow_job LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_now timestamptz;
  v_state sync_state;
  v_seq bigint;
BEGIN
  SELECT t.* INTO v_state FROM data_sync_jobs j JOIN sync_state t ON t.sync_id = lower(j.sync_id::text)
  WHERE j.id = syncflow_id(p_job) FOR NO KEY UPDATE OF t;
  v_now := coalesce(p_now, clock_timestamp());
  UPDATE data_sync_jobs j
  SET status = 'pending', retry_count = 0, error = NULL, started_at = NULL, finished_at = NULL, run_id = NULL,
      run_after = v_now, updated_at = v_now, priority = greatest(j.priority, p_priority),
      -- Of an unknown sync, or another team's: news, and the next claim says so.
      noticed = coalesce(j.team_id IS NULL OR lower(j.team_id::text) = v_state.team_id, false)
  WHERE j.id = syncflow_id(p_job) AND j.status = 'failed' RETURNING j.seq INTO v_seq;
  IF NOT FOUND THEN RETURN; END IF;
  IF v_state.sync_id IS NOT NULL THEN
    UPDATE sync_state t SET backoff_until = NULL WHERE t.sync_id = v_state.sync_id;
    PERFORM syncflow_recount(v_state.sync_id);
    PERFORM syncflow_wake(v_state.sync_id, v_now);
  END IF;
  RETURN QUERY SELECT * FROM syncflow_jobs(ARRAY[v_seq]);
END
$$;

CREATE FUNCTION syncflow_cancel_job(p_job text, p_now timestamptz)
RETURNS SETOF syncflow_job LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_now timestamptz;
  v_sync text;
  v_seq bigint;
BEGIN
  SELECT t.sync_id INTO v_sync FROM data_sync_jobs j JOIN sync_state t ON t.sync_id = lower(j.sync_id::text)
  WHERE j.id = syncflow_id(p_job) FOR NO KEY UPDATE OF t;
  v_now := coalesce(p_now, clock_timestamp());
  UPDATE data_sync_jobs j
  SET status = 'failed', error = 'cancelled: on request', finished_at = v_now, updated_at = v_now, noticed = false
  WHERE j.id = syncflow_id(p_job) AND j.status IN ('pending', 'processing') RETURNING j.seq INTO v_seq;
  IF NOT FOUND THEN RETURN; END IF;
  IF v_sync IS NOT NULL THEN PERFORM syncflow_recount(v_sync); END IF;
  RETURN QUERY SELECT * FROM syncflow_jobs(ARRAY[v_seq]);
END
$$;
