-- What was about to happen, and what did.

-- An intent, written before anything is sent. `state` caches the fold of the operation's events.
CREATE TABLE operations (
    id {uuid} NOT NULL PRIMARY KEY,
    robot_id {uuid} NOT NULL REFERENCES robots (id),
    experiment_id {uuid} REFERENCES experiments (id),
    lease_epoch {bigint} NOT NULL,
    run_id TEXT,
    sequence {bigint} NOT NULL,
    step {json} NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intended', 'succeeded', 'failed', 'not_received', 'in_doubt', 'settled')),
    intended_at {time} NOT NULL,
    UNIQUE (robot_id, sequence)
) {strict};
CREATE INDEX operations_open ON operations (robot_id, sequence) WHERE state = 'intended';
CREATE INDEX operations_of_experiment ON operations (experiment_id, sequence);

-- Append-only: no event of an operation happens twice, and none is taken back.
CREATE TABLE operation_events (
    operation_id {uuid} NOT NULL REFERENCES operations (id),
    event TEXT NOT NULL,
    outcome {json},
    at {time} NOT NULL,
    PRIMARY KEY (operation_id, event)
) {strict};

-- Raw readings and command records, under the id of their operation.
CREATE TABLE documents (
    collection TEXT NOT NULL,
    id {uuid} NOT NULL,
    body {json} NOT NULL,
    created_at {time} NOT NULL,
    PRIMARY KEY (collection, id)
) {strict};
