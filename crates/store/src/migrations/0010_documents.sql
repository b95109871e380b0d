-- Documents belong to experiments, and wait here until a document store has them, where there is one.

-- Nothing for what a robot did for no experiment, and in rows of a release older than this.
ALTER TABLE documents ADD COLUMN experiment_id {uuid};
-- Grows when a document is written again, so that whoever has passed on an older text of it knows.
ALTER TABLE documents ADD COLUMN revision {bigint} NOT NULL DEFAULT 1;
-- When the document store refused it, and why; nothing while it hasn't.
ALTER TABLE documents ADD COLUMN refused_at {time};
ALTER TABLE documents ADD COLUMN refusal TEXT;

UPDATE documents SET experiment_id = (SELECT o.experiment_id FROM operations o WHERE o.id = documents.id);
CREATE INDEX documents_refused ON documents (refused_at) WHERE refused_at IS NOT NULL;
CREATE INDEX documents_of_experiment ON documents (experiment_id, id, collection);

-- What only one process may do at a time, beside driving a robot.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT,
    epoch {bigint} NOT NULL,
    expires_at {time}
) {strict};
