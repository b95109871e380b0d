-- Who people are where the lab lets them sign in by somebody else's word, the sign-ins that came from there, and programs
-- that are nobody's.

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    -- The provider's own name of the person, for good; an address may become somebody else's.
    subject TEXT NOT NULL,
    user_id {uuid} NOT NULL REFERENCES users (id),
    -- What the provider's claims came to at the last sign-in: only a change of it changes the account.
    role TEXT NOT NULL,
    quota INTEGER NOT NULL,
    created_at {time} NOT NULL,
    PRIMARY KEY (issuer, subject)
) {strict};
CREATE INDEX identities_of_user ON identities (user_id);

-- Of a sign-in that came from there; the last is the provider's own name of its session.
ALTER TABLE sessions ADD COLUMN issuer TEXT;
ALTER TABLE sessions ADD COLUMN subject TEXT;
ALTER TABLE sessions ADD COLUMN provider_session TEXT;
CREATE INDEX sessions_of_subject ON sessions (subject) WHERE subject IS NOT NULL;
CREATE INDEX sessions_of_provider ON sessions (provider_session) WHERE provider_session IS NOT NULL;

-- What may be shown once, until it would be refused for its age.
CREATE TABLE used_once (
    hash TEXT NOT NULL PRIMARY KEY,
    expires_at {time} NOT NULL
) {strict};
CREATE INDEX used_once_expired ON used_once (expires_at);

-- Programs that are nobody's: one that is revoked is deleted.
CREATE TABLE service_tokens (
    id {uuid} NOT NULL PRIMARY KEY,
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    -- SHA-256 of the token.
    hash TEXT NOT NULL UNIQUE,
    created_at {time} NOT NULL,
    expires_at {time} NOT NULL,
    -- To the minute.
    last_used_at {time}
) {strict};
CREATE INDEX service_tokens_expired ON service_tokens (expires_at);
