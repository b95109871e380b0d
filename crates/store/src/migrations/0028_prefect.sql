-- How far a Prefect server has been told of each experiment. What there is to tell are the experiment's events: they are kept
-- once, and this is the place in them.

CREATE TABLE prefect_runs (
    experiment_id {uuid} NOT NULL PRIMARY KEY REFERENCES experiments (id),
    -- Prefect's own id; nothing until the run is there.
    flow_run_id TEXT UNIQUE,
    -- The last event that was told.
    told {bigint} NOT NULL DEFAULT 0,
    -- The run's state as it was last set or seen from here: one that is another there is somebody's act.
    state_id TEXT,
    state TEXT,
    -- The artifact that shows the progress.
    progress_id TEXT,
    created_at {time} NOT NULL,
    -- Everything was told.
    closed_at {time}
) {strict};
CREATE INDEX prefect_runs_open ON prefect_runs (experiment_id) WHERE closed_at IS NULL;
CREATE INDEX prefect_runs_paused ON prefect_runs (experiment_id) WHERE state = 'PAUSED';

-- Whether a robot's pool there was paused when pool and robot were last made to say the same.
CREATE TABLE prefect_pools (
    robot_id {uuid} NOT NULL PRIMARY KEY REFERENCES robots (id),
    paused {smallint} NOT NULL
) {strict};
