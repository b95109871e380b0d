-- People, their sign-ins, and what they did.

CREATE TABLE users (
    id {uuid} NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    hashed_password TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('student', 'researcher', 'operator', 'admin')),
    quota_remaining INTEGER NOT NULL CHECK (quota_remaining >= 0),
    created_at {time} NOT NULL,
    -- When a lane last took an experiment of theirs: the turn in the round robin.
    last_served_at {time}
) {strict};

CREATE TABLE sessions (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id),
    refresh_hash TEXT NOT NULL UNIQUE,
    created_at {time} NOT NULL,
    expires_at {time} NOT NULL,
    revoked_at {time}
) {strict};
CREATE INDEX sessions_of_user ON sessions (user_id);

-- Refresh tokens that were replaced: whoever shows one of them has a copy.
CREATE TABLE spent_refresh_tokens (
    refresh_hash TEXT NOT NULL PRIMARY KEY,
    session_id {uuid} NOT NULL REFERENCES sessions (id),
    spent_at {time} NOT NULL
) {strict};

CREATE TABLE signing_keys (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    private_pem TEXT NOT NULL,
    public_pem TEXT NOT NULL,
    created_at {time} NOT NULL
) {strict};

CREATE TABLE user_activity_log (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} REFERENCES users (id),
    action TEXT NOT NULL,
    details {json} NOT NULL,
    ip_address {inet},
    created_at {time} NOT NULL
) {strict};
CREATE INDEX activity_of_user ON user_activity_log (user_id, id);
