-- People's hold on a robot and the worker's question are two things; both are part of the journal's fence.

ALTER TABLE robots ADD COLUMN told TEXT NOT NULL DEFAULT 'active'
    CHECK (told IN ('active', 'paused', 'draining', 'stopped'));
-- Who told it so, and when.
ALTER TABLE robots ADD COLUMN mode_by TEXT;
ALTER TABLE robots ADD COLUMN mode_at {time};
-- When the question in `attention` was asked.
ALTER TABLE robots ADD COLUMN attention_at {time};
-- What the worker can't do at the moment. Holds nothing; the worker takes it back by itself.
ALTER TABLE robots ADD COLUMN notice {json};
ALTER TABLE robots ADD COLUMN notice_at {time};
-- How many acts of people (holds, answers, hands on the deck) this robot has seen. An intent names the last that its
-- worker knew of.
ALTER TABLE robots ADD COLUMN acts {bigint} NOT NULL DEFAULT 0;
-- Who the machine says it is. One machine is one robot.
ALTER TABLE robots ADD COLUMN identity TEXT;
CREATE UNIQUE INDEX robots_identity ON robots (identity);
-- The newest thing done on the machine that the journal doesn't know of and that somebody has been asked about: a command's
-- key or a run's id.
ALTER TABLE robots ADD COLUMN accounted TEXT;

UPDATE robots SET told = CASE
    WHEN mode = 'attention' AND attention ->> 'code' = 'emergency-stop' THEN 'stopped'
    WHEN mode = 'attention' THEN 'active'
    ELSE mode END;
UPDATE robots SET notice = attention WHERE mode <> 'attention';
UPDATE robots SET attention = NULL WHERE mode <> 'attention' OR told = 'stopped';
ALTER TABLE robots DROP COLUMN mode;
ALTER TABLE robots RENAME COLUMN told TO mode;

-- Which lab this database is: what a robot is marked with, so that two labs which drive one machine notice.
CREATE TABLE lab (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id {uuid} NOT NULL
) {strict};

-- What an experiment asks of a deck, so that a lane finds one that it can mix: its dyes' names in order, separated by
-- spaces, its least amount of a dye and its fullest well. Nothing for those older than this: lanes fill it in.
ALTER TABLE experiments ADD COLUMN dyes TEXT;
ALTER TABLE experiments ADD COLUMN least_nl {bigint};
ALTER TABLE experiments ADD COLUMN fullest_nl {bigint};
