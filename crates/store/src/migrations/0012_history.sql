-- Which history of the database something was written in: PostgreSQL's system identifier and timeline. A server that is promoted
-- may lack the last commits of the one before it; its timeline is another from then on. Nothing on SQLite.

-- Of the last lease: one that was taken in another history doesn't hold any more.
ALTER TABLE robots ADD COLUMN lease_history TEXT;
-- In which the machine was last asked what was done on it that the journal doesn't know of.
ALTER TABLE robots ADD COLUMN history TEXT;
-- The timeline, where it isn't the first: part of the event's public id, so that an event that was lost isn't taken for the one
-- that got its number later.
ALTER TABLE events ADD COLUMN timeline INTEGER;
-- Wells of a plate that got drops of which the journal lost all else, with commas between. Nobody's, and never used.
ALTER TABLE plates ADD COLUMN spoiled TEXT;
