-- A job's way through the queue with fewer statements: what each does and why stands in 0002_queue and 0005_mends, with
-- locks and SQLSTATEs. What is asked for in a claim and nearly never there (news, leases that ran out) is one question.

-- A time without end, or out of the years that are written with four digits, is that of the nearest such year: no row
-- that others insert may keep a claim from its answer.
CREATE OR REPLACE FUNCTION syncflow_us(timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT (extract(epoch FROM CASE WHEN $1 < '0001-01-01T00:00:00Z' THEN '0001-01-01T00:00:00Z'::timestamptz
                                  WHEN $1 > '9999-12-31T23:59:59Z' THEN '9999-12-31T23:59:59Z'::timestamptz
                                  ELSE $1 END) * 1000000)::bigint
$$;

CREATE OR REPLACE FUNCTION syncflow_next_sync(p_only text[], p_now timestamptz) RETURNS text LANGUAGE plpgsql AS $$
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
    SELECT t.queued_priority, (SELECT q.team_id FROM queue_turns q WHERE q.priority = t.queued_priority)
    INTO v_priority, v_turn FROM sync_state t
    WHERE t.waiting_at <= p_now AND t.queued_priority < v_priority ORDER BY t.queued_priority DESC LIMIT 1;
    IF NOT FOUND THEN RETURN NULL; END IF;
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

CREATE OR REPLACE FUNCTION syncflow_take(p_sync text, p_owner text, p_run text, p_lease_us bigint, p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_team text;
  v_provider text;
  v_seqs bigint[];
  v_job text;
  v_priority integer;
  v_attempt integer;
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
  IF v_seqs IS NULL THEN
    PERFORM syncflow_recount(p_sync);
    RETURN false;
  END IF;
  UPDATE sync_state t
  SET epoch = t.epoch + 1, lease_owner = p_owner, lease_run = p_run,
      lease_until = p_now + p_lease_us * interval '1 microsecond', lease_version = t.definition_version,
      backoff_until = NULL,
      (queued_run_after, queued_priority) =
        (SELECT min(j.run_after), coalesce(max(j.priority), 0) FROM data_sync_jobs j
         WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending'
           AND (j.team_id = syncflow_team_id(t.team_id) OR j.team_id IS NULL))
  WHERE t.sync_id = p_sync;
  WITH run AS (
    INSERT INTO sync_runs(id, job_id, sync_id, team_id, attempt, status, started_at)
    VALUES (p_run, v_job, p_sync, v_team, v_attempt, 'processing', p_now) RETURNING seq)
  INSERT INTO sync_run_jobs(job_seq, run_seq) SELECT s.seq, r.seq FROM run r, unnest(v_seqs) AS s(seq);
  PERFORM syncflow_note_turn(v_priority, v_team);
  RETURN true;
END
$$;

-- Makes the sync whose turn it is one run. False: nothing is due that nobody else is taking at this moment.
CREATE FUNCTION syncflow_claim_next(p_owner text, p_run text, p_lease_us bigint, p_only text[], p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_news boolean;
  v_lost boolean;
  v_sync text;
BEGIN
  SELECT EXISTS (SELECT FROM data_sync_jobs j WHERE j.status = 'pending' AND NOT j.noticed),
         EXISTS (SELECT FROM sync_state t WHERE t.lease_until <= p_now)
  INTO v_news, v_lost;
  IF v_news THEN PERFORM syncflow_take_notice(p_now); END IF;
  IF v_lost THEN
    FOR v_sync IN
      SELECT t.sync_id FROM sync_state t WHERE t.lease_until <= p_now ORDER BY t.lease_until FOR NO KEY UPDATE SKIP LOCKED
    LOOP
      PERFORM syncflow_hand_back(v_sync, p_now, 'the worker was lost: its lease ran out');
    END LOOP;
  END IF;
  -- Each round without a claim corrects one sync's state, so this ends.
  LOOP
    v_sync := syncflow_next_sync(p_only, p_now);
    IF v_sync IS NULL THEN RETURN false; END IF;
    IF syncflow_take(v_sync, p_owner, p_run, p_lease_us, p_now) THEN RETURN true; END IF;
  END LOOP;
END
$$;

-- What a run has in hand, if it still holds its sync; the most urgent job first.
CREATE FUNCTION syncflow_claimed(p_run text)
RETURNS TABLE (epoch bigint, attempt integer, sync syncflow_syncs, job syncflow_job) LANGUAGE sql STABLE AS $$
  SELECT t.epoch, r.attempt, s, j FROM sync_runs r JOIN sync_state t ON t.sync_id = r.sync_id
  JOIN syncflow_syncs s ON s.id = r.sync_id
  CROSS JOIN LATERAL syncflow_jobs(ARRAY(SELECT k.seq FROM data_sync_jobs k WHERE k.run_id = p_run AND k.status = 'processing')) j
  WHERE r.id = p_run AND t.lease_run = p_run ORDER BY j.priority DESC, j.seq
$$;

CREATE OR REPLACE FUNCTION syncflow_claim(p_owner text, p_run text, p_lease_us bigint, p_only text[], p_now timestamptz,
                               p_again boolean)
RETURNS TABLE (epoch bigint, attempt integer, sync syncflow_syncs, job syncflow_job) LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_taken boolean := false;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('syncflow run ' || p_run, 0));
  IF p_again THEN v_taken := EXISTS (SELECT FROM sync_runs r WHERE r.id = p_run); END IF;
  IF NOT v_taken THEN
    v_taken := syncflow_claim_next(p_owner, p_run, p_lease_us, p_only, coalesce(p_now, clock_timestamp()));
  END IF;
  IF v_taken THEN RETURN QUERY SELECT c.epoch, c.attempt, c.sync, c.job FROM syncflow_claimed(p_run) c; END IF;
END
$$;

-- The end of a run; returns when that was, or null: an earlier try did it. `p_yields`: the run makes room for others, so its
-- jobs lose the priority that a person gave them, by which they would be claimed before those others again.
CREATE FUNCTION syncflow_end_run(p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_kind text,
                                 p_error text, p_wait_us bigint, p_strategy text, p_tables text, p_hold_kind text,
                                 p_hold_reason text, p_hold_since timestamptz, p_yields boolean, p_now timestamptz,
                                 p_again boolean)
RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz;
  v_until timestamptz;
  v_over boolean := p_kind IN ('completed', 'failed');
  v_waiting timestamptz;
BEGIN
  IF p_again THEN
    PERFORM FROM sync_state t WHERE t.sync_id = p_sync FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM sync_runs r WHERE r.id = p_run AND r.last_call = p_call) THEN RETURN NULL; END IF;
  END IF;
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
        error = coalesce(nullif(p_error, ''), j.error), run_after = v_until, updated_at = v_now,
        priority = CASE WHEN p_yields THEN least(j.priority, 0) ELSE j.priority END
    WHERE j.run_id = p_run AND j.status = 'processing';
  END IF;
  UPDATE sync_runs r
  SET status = CASE p_kind WHEN 'completed' THEN 'completed' WHEN 'give_back' THEN 'yielded' ELSE 'failed' END,
      strategy = p_strategy, error = p_error, finished_at = v_now, tables = p_tables, last_call = p_call
  WHERE r.id = p_run;
  -- A sync that left the config stays held for that.
  UPDATE sync_state t
  SET lease_owner = NULL, lease_run = NULL, lease_until = NULL,
      backoff_until = CASE WHEN NOT v_over AND p_wait_us > 0 THEN v_until END,
      hold_kind = CASE WHEN p_hold_kind IS NULL OR t.hold_kind = 'removed' THEN t.hold_kind ELSE p_hold_kind END,
      hold_reason = CASE WHEN p_hold_kind IS NULL OR t.hold_kind = 'removed' THEN t.hold_reason ELSE p_hold_reason END,
      hold_since = CASE WHEN p_hold_kind IS NULL OR t.hold_kind = 'removed' THEN t.hold_since ELSE p_hold_since END,
      (queued_run_after, queued_priority) =
        (SELECT min(j.run_after), coalesce(max(j.priority), 0) FROM data_sync_jobs j
         WHERE j.sync_id = syncflow_sync_id(p_sync) AND j.status = 'pending'
           AND (j.team_id = syncflow_team_id(t.team_id) OR j.team_id IS NULL))
  WHERE t.sync_id = p_sync RETURNING t.waiting_at INTO v_waiting;
  IF v_waiting IS NOT NULL THEN PERFORM syncflow_wake(p_sync, v_now); END IF;
  RETURN v_now;
END
$$;

CREATE OR REPLACE FUNCTION syncflow_finish(p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_kind text,
                                p_error text, p_wait_us bigint, p_strategy text, p_tables text, p_hold_kind text,
                                p_hold_reason text, p_hold_since timestamptz, p_now timestamptz, p_again boolean)
RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  PERFORM syncflow_end_run(p_sync, p_run, p_owner, p_epoch, p_call, p_kind, p_error, p_wait_us, p_strategy, p_tables,
                           p_hold_kind, p_hold_reason, p_hold_since, false, p_now, p_again);
END
$$;

CREATE OR REPLACE FUNCTION syncflow_finish_yielded(p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_kind text,
                                        p_error text, p_wait_us bigint, p_strategy text, p_tables text,
                                        p_hold_kind text, p_hold_reason text, p_hold_since timestamptz,
                                        p_now timestamptz, p_again boolean)
RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  PERFORM syncflow_end_run(p_sync, p_run, p_owner, p_epoch, p_call, p_kind, p_error, p_wait_us, p_strategy, p_tables,
                           p_hold_kind, p_hold_reason, p_hold_since, true, p_now, p_again);
END
$$;

-- The end of a run and the claim of what is due next, for a worker that goes on: one round trip and one wait for the disk.
-- The row of the sync goes first. A second try waits for that row until the first one is over, and then finds the end by
-- `p_call` and the claim by `p_next_run`. A claim that fails, or has to wait for a row that a stranger holds, is left to
-- the worker's next one: the end of the run must not go with it.
CREATE FUNCTION syncflow_finish_and_claim(p_sync text, p_run text, p_owner text, p_epoch bigint, p_call text, p_kind text,
                                          p_error text, p_wait_us bigint, p_strategy text, p_tables text,
                                          p_hold_kind text, p_hold_reason text, p_hold_since timestamptz,
                                          p_yields boolean, p_next_run text, p_lease_us bigint, p_now timestamptz,
                                          p_again boolean)
RETURNS TABLE (epoch bigint, attempt integer, sync syncflow_syncs, job syncflow_job) LANGUAGE plpgsql
SET search_path FROM CURRENT SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
  v_now timestamptz;
  v_taken boolean := false;
BEGIN
  v_now := syncflow_end_run(p_sync, p_run, p_owner, p_epoch, p_call, p_kind, p_error, p_wait_us, p_strategy, p_tables,
                            p_hold_kind, p_hold_reason, p_hold_since, p_yields, p_now, p_again);
  IF p_again THEN v_taken := EXISTS (SELECT FROM sync_runs r WHERE r.id = p_next_run); END IF;
  IF NOT v_taken THEN
    BEGIN
      PERFORM set_config('lock_timeout', '1s', true);
      v_taken := syncflow_claim_next(p_owner, p_next_run, p_lease_us, '{}', coalesce(v_now, p_now, clock_timestamp()));
    EXCEPTION WHEN OTHERS THEN
      v_taken := false;
    END;
  END IF;
  IF v_taken THEN RETURN QUERY SELECT c.epoch, c.attempt, c.sync, c.job FROM syncflow_claimed(p_next_run) c; END IF;
END
$$;
