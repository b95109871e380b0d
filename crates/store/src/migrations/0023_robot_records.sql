-- What a robot's mounts were seen to carry, and robots that are no more: the row stays, since history refers to it. Its name
-- is free again then.

ALTER TABLE robots ADD COLUMN mounts {json};
ALTER TABLE robots ADD COLUMN removed_at {time};

-- Names that a robot had: a worker that is started by one still drives it.
CREATE TABLE robot_names (
    robot_id {uuid} NOT NULL REFERENCES robots (id),
    name TEXT NOT NULL,
    until {time} NOT NULL,
    PRIMARY KEY (name, robot_id)
) {strict};
