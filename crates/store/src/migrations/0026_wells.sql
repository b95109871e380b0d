-- A well that waits has no place on a plate and replaces none: what keeps these unique needs no entry for it. Half of what
-- accepting an experiment wrote into indexes were such entries.
-- In a database with millions of wells the two are made by hand before, CONCURRENTLY.

CREATE UNIQUE INDEX IF NOT EXISTS wells_placed ON wells (plate_id, well_id) WHERE plate_id IS NOT NULL;
DROP INDEX wells_on_plate;
-- {postgres}
CREATE UNIQUE INDEX IF NOT EXISTS wells_replacing ON wells (replaces) WHERE replaces IS NOT NULL;
ALTER TABLE wells DROP CONSTRAINT wells_replaces_key;
-- {both}
