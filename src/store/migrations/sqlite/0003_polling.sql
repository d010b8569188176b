-- Finding syncs to look at costs no look at those that have jobs.

DROP INDEX sync_state_to_poll;
CREATE INDEX sync_state_to_poll ON sync_state(poll_at) WHERE poll_at IS NOT NULL AND queued_run_after IS NULL;
-- Those to look at though a job waits for its time.
CREATE INDEX sync_state_to_poll_early ON sync_state(queued_run_after)
  WHERE poll_at IS NOT NULL AND queued_run_after IS NOT NULL;
