-- What a list says of the wells of an experiment that has ended, so that nobody reads all its results for one line. Nothing
-- while it is under way, and for those that a release older than this ends: they are counted when they are listed.

ALTER TABLE experiments ADD COLUMN measured INTEGER;
ALTER TABLE experiments ADD COLUMN doubtful INTEGER;
-- Measured colours (#rrggbb) in the request's order, separated by commas.
ALTER TABLE experiments ADD COLUMN swatches TEXT;

UPDATE experiments SET
    asked = (SELECT COUNT(*) FROM wells w WHERE w.experiment_id = experiments.id AND w.replaces IS NULL),
    measured = (SELECT COUNT(*) FROM wells w WHERE w.experiment_id = experiments.id AND w.status = 'measured'),
    doubtful = (
        SELECT COUNT(*) FROM results r
        WHERE r.experiment_id = experiments.id AND r.measurement_data ->> 'doubt' IS NOT NULL
    ),
    swatches = (
        SELECT COALESCE(STRING_AGG(r.measurement_data ->> 'srgb', ',' ORDER BY w.position, w.id), '')
        FROM wells w JOIN results r ON r.well_id = w.id WHERE w.experiment_id = experiments.id
    )
WHERE status IN ('completed', 'failed', 'cancelled');
