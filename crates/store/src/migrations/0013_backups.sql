-- What is known of the backups of PostgreSQL, which are made beside it: whoever makes them tells it here, so that every
-- process of the lab can tell how old they are. One row; a time is nothing until it is told. Nothing on SQLite.
CREATE TABLE backup_state (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- When the newest ended, and the earliest moment that can be restored to.
    newest_at {time},
    earliest_at {time},
    -- When the schedule makes the next.
    due_at {time},
    -- When one was last tried in vain.
    failed_at {time},
    -- When all of the repository was last read back and found sound; when something in it was found damaged.
    verified_at {time},
    damaged_at {time}
) {strict};
