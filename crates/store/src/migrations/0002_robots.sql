-- The lanes and what stands on their decks. Volumes are nanolitres.

CREATE TABLE robots (
    id {uuid} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    sensor_url TEXT NOT NULL,
    attendance TEXT NOT NULL CHECK (attendance IN ('virtual', 'operator')),
    deck {json} NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('active', 'paused', 'draining', 'attention')),
    attention {json},
    run_id TEXT,
    tool {json} NOT NULL,
    white_reference {json},
    waste_nl {bigint} NOT NULL CHECK (waste_nl >= 0),
    lease_holder TEXT,
    lease_epoch {bigint} NOT NULL,
    lease_expires_at {time},
    -- The place of the newest operation in this robot's journal.
    last_sequence {bigint} NOT NULL
) {strict};

CREATE TABLE plates (
    id {uuid} NOT NULL PRIMARY KEY,
    robot_id {uuid} NOT NULL REFERENCES robots (id),
    placed_at {time} NOT NULL,
    removed_at {time}
) {strict};
-- One plate at a time lies on a robot.
CREATE UNIQUE INDEX plates_on_robot ON plates (robot_id) WHERE removed_at IS NULL;

CREATE TABLE vials (
    robot_id {uuid} NOT NULL REFERENCES robots (id),
    vial TEXT NOT NULL,
    dye TEXT NOT NULL,
    volume_nl {bigint} NOT NULL CHECK (volume_nl >= 0),
    -- Which bottle it was filled from, and when: it dries out from then on.
    batch TEXT,
    filled_at {time} NOT NULL,
    PRIMARY KEY (robot_id, vial)
) {strict};

-- Tips that aren't simply new: standing for a dye, or lost (no dye).
CREATE TABLE tips (
    robot_id {uuid} NOT NULL REFERENCES robots (id),
    slot {smallint} NOT NULL,
    tip TEXT NOT NULL,
    dye TEXT,
    PRIMARY KEY (robot_id, slot, tip)
) {strict};
