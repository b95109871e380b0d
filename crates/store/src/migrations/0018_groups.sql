-- Groups (classes, courses) with their teachers, and where people's quota comes from.

CREATE TABLE groups (
    id {uuid} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- The same in lower case: no two groups are called alike.
    name_key TEXT NOT NULL UNIQUE,
    -- Wells of each member, and wells that a teacher may grant beside them, from one refill to the next.
    allowance INTEGER NOT NULL CHECK (allowance >= 0),
    reserve INTEGER NOT NULL CHECK (reserve >= 0),
    reserve_left INTEGER NOT NULL CHECK (reserve_left >= 0),
    refill TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    refilled_at {time},
    -- Whoever refills moves it on, in the same transaction.
    next_refill_at {time},
    created_at {time} NOT NULL
) {strict};
CREATE INDEX groups_due ON groups (next_refill_at);

CREATE TABLE group_members (
    group_id {uuid} NOT NULL REFERENCES groups (id),
    user_id {uuid} NOT NULL REFERENCES users (id),
    standing TEXT NOT NULL CHECK (standing IN ('member', 'teacher')),
    -- What is left of the allowance, as it was settled last.
    left_wells INTEGER NOT NULL CHECK (left_wells >= 0),
    joined_at {time} NOT NULL,
    PRIMARY KEY (group_id, user_id)
) {strict};
CREATE INDEX group_members_of_user ON group_members (user_id, standing);
-- A list of groups counts each kind by itself.
CREATE INDEX group_members_counted ON group_members (group_id, standing);

-- What of quota_remaining is no group's, as it was settled last; empty for whoever never was in a group.
ALTER TABLE users ADD COLUMN quota_own INTEGER;

-- Each change of somebody's quota by anything but experiments: those are in wells and quota_entries.
CREATE TABLE quota_changes (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id),
    -- It may be no more.
    group_id {uuid},
    -- Empty for the lab itself and whoever has the database.
    by_id {uuid},
    cause TEXT NOT NULL,
    before_wells INTEGER NOT NULL,
    after_wells INTEGER NOT NULL,
    note TEXT,
    created_at {time} NOT NULL
) {strict};
CREATE INDEX quota_changes_of_user ON quota_changes (user_id, id);

CREATE TABLE quota_requests (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id),
    -- Of which group's reserve; empty where the lab's administrators are asked.
    group_id {uuid},
    wells INTEGER NOT NULL CHECK (wells > 0),
    reason TEXT NOT NULL,
    created_at {time} NOT NULL,
    -- Empty while it waits.
    decided_at {time},
    decided_by {uuid},
    -- 0 where it was refused, or the group is left.
    granted INTEGER
) {strict};
CREATE INDEX quota_requests_of_user ON quota_requests (user_id, id);
-- One at a time.
CREATE UNIQUE INDEX quota_requests_open ON quota_requests (user_id) WHERE decided_at IS NULL;
CREATE INDEX quota_requests_of_group ON quota_requests (group_id, id) WHERE decided_at IS NULL;
CREATE INDEX quota_requests_waiting ON quota_requests (id) WHERE decided_at IS NULL;

-- The group that whoever uses an invitation joins.
ALTER TABLE invitations ADD COLUMN group_id {uuid};
CREATE INDEX invitations_of_group ON invitations (group_id);
