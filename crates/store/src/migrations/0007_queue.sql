-- What one reading of the whole queue needs, without a look at each of its wells.

-- How many wells were asked for. Nothing for those that a release older than this accepts: they are counted.
ALTER TABLE experiments ADD COLUMN asked INTEGER;
UPDATE experiments SET asked = (SELECT COUNT(*) FROM wells w WHERE w.experiment_id = experiments.id AND w.replaces IS NULL)
WHERE status IN ('queued', 'paused');
