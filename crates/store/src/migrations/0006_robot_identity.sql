-- Who the machine says it is: a serial number, or a virtual robot's identity. Nothing until it was asked. One machine is
-- one robot (several that say nothing are told apart by nothing, in both databases).
ALTER TABLE robots ADD COLUMN identity TEXT;
CREATE UNIQUE INDEX robots_identity ON robots (identity);
