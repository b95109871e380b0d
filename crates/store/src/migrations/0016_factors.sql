-- Second factors: codes of an authenticator app, recovery codes and passkeys; sign-ins that wait for one; how a session was
-- proved.

-- One row a person who has a factor, or is about to have one.
CREATE TABLE second_factors (
    user_id {uuid} NOT NULL PRIMARY KEY REFERENCES users (id),
    -- 160 random bits, base32, which the app has too.
    totp_secret TEXT,
    -- Nothing while no code has shown that the app has it.
    totp_since {time},
    -- The newest time step of which a code was used: none is used twice.
    totp_step {bigint},
    -- Wrong codes since the last right one.
    failures {bigint} NOT NULL DEFAULT 0,
    blocked_until {time}
) {strict};

-- One that is used is deleted.
CREATE TABLE recovery_codes (
    user_id {uuid} NOT NULL REFERENCES users (id),
    -- SHA-256 of the code, which nobody but its owner has.
    hash TEXT NOT NULL,
    PRIMARY KEY (user_id, hash)
) {strict};

CREATE TABLE passkeys (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- All three base64url. What the authenticator calls it,
    credential_id TEXT NOT NULL UNIQUE,
    -- its public key,
    public_key TEXT NOT NULL,
    -- and what changes when it is used, its counter among it.
    state TEXT NOT NULL,
    created_at {time} NOT NULL,
    last_used_at {time}
) {strict};
CREATE INDEX passkeys_of_user ON passkeys (user_id, id);

-- A right password of somebody who has a second factor. Gone when it has become a session.
CREATE TABLE pending_sign_ins (
    -- SHA-256 of the token.
    hash TEXT NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id),
    tries {smallint} NOT NULL,
    expires_at {time} NOT NULL
) {strict};
CREATE INDEX pending_sign_ins_of_user ON pending_sign_ins (user_id, expires_at);
CREATE INDEX pending_sign_ins_expired ON pending_sign_ins (expires_at);

-- Challenges that a passkey has answered, until they would have run out: none is answered twice.
CREATE TABLE spent_challenges (
    id {uuid} NOT NULL PRIMARY KEY,
    expires_at {time} NOT NULL
) {strict};
CREATE INDEX spent_challenges_expired ON spent_challenges (expires_at);

-- When whoever signed in last proved who they are, nothing while that was when it began; and how (RFC 8176), nothing for a
-- password alone.
ALTER TABLE sessions ADD COLUMN auth_time {time};
ALTER TABLE sessions ADD COLUMN amr TEXT;
