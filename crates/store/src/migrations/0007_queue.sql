-- What one reading of the whole queue needs, without a look at each of its wells.

-- How many wells were asked for. Nothing for those that a release older than this accepts: they are counted.
ALTER TABLE experiments ADD COLUMN asked INTEGER;
UPDATE experiments SET asked = (SELECT COUNT(*) FROM wells w WHERE w.experiment_id = experiments.id AND w.replaces IS NULL)
WHERE status IN ('queued', 'paused');

-- What is forgotten in its time is found by its age, not by looking through all there is.
CREATE INDEX documents_age ON documents (created_at);
CREATE INDEX idempotency_age ON idempotency_keys (created_at);
CREATE INDEX spent_age ON spent_refresh_tokens (spent_at);
CREATE INDEX spent_of_session ON spent_refresh_tokens (session_id);
CREATE INDEX sessions_age ON sessions (expires_at);
