-- What people asked for and what came of it.

CREATE TABLE experiments (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id),
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')),
    metadata {json} NOT NULL,
    created_at {time} NOT NULL,
    completed_at {time},
    name TEXT,
    priority {smallint} NOT NULL,
    robot_id {uuid} REFERENCES robots (id),
    plate_id {uuid} REFERENCES plates (id),
    control TEXT CHECK (control IN ('pause', 'resume', 'cancel')),
    fault {json},
    started_at {time},
    -- The sequence of its newest event.
    last_sequence {bigint} NOT NULL
) {strict};
CREATE INDEX experiments_of_user ON experiments (user_id, id);
CREATE INDEX experiments_queued ON experiments (user_id, priority, id) WHERE status = 'queued';
-- A lane has one experiment in hand.
CREATE UNIQUE INDEX experiments_in_hand ON experiments (robot_id) WHERE status = 'running';

CREATE TABLE wells (
    id {uuid} NOT NULL PRIMARY KEY,
    experiment_id {uuid} NOT NULL REFERENCES experiments (id),
    well_id TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'dispensing', 'mixed', 'measured', 'failed', 'quarantined', 'cancelled')),
    metadata {json} NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    plate_id {uuid} REFERENCES plates (id),
    recipe {json} NOT NULL,
    replaces {uuid} UNIQUE REFERENCES wells (id),
    fault {json},
    CHECK ((well_id IS NULL) = (plate_id IS NULL))
) {strict};
CREATE INDEX wells_of_experiment ON wells (experiment_id, position, id);
-- No well of a plate is ever used twice.
CREATE UNIQUE INDEX wells_on_plate ON wells (plate_id, well_id);

CREATE TABLE results (
    id {uuid} NOT NULL PRIMARY KEY,
    experiment_id {uuid} NOT NULL REFERENCES experiments (id),
    well_id {uuid} NOT NULL UNIQUE REFERENCES wells (id),
    measurement_data {json} NOT NULL,
    created_at {time} NOT NULL
) {strict};
CREATE INDEX results_of_experiment ON results (experiment_id);

CREATE TABLE events (
    experiment_id {uuid} NOT NULL REFERENCES experiments (id),
    sequence {bigint} NOT NULL,
    kind TEXT NOT NULL,
    data {json} NOT NULL,
    at {time} NOT NULL,
    PRIMARY KEY (experiment_id, sequence)
) {strict};
CREATE INDEX events_of_kind ON events (experiment_id, kind, sequence);

CREATE TABLE idempotency_keys (
    user_id {uuid} NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    experiment_id {uuid} NOT NULL REFERENCES experiments (id),
    created_at {time} NOT NULL,
    PRIMARY KEY (user_id, key)
) {strict};

-- The quota's ledger, one unit a well: charged once, returned at most once.
CREATE TABLE quota_entries (
    well_id {uuid} NOT NULL REFERENCES wells (id),
    reason TEXT NOT NULL CHECK (reason IN ('charged', 'returned')),
    user_id {uuid} NOT NULL REFERENCES users (id),
    created_at {time} NOT NULL,
    PRIMARY KEY (well_id, reason)
) {strict};
