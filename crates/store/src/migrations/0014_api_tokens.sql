-- Tokens that people make for their programs. One that is revoked is deleted: what is here opens something, or has run out.

CREATE TABLE api_tokens (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- SHA-256 of the token, which nobody but its owner has.
    hash TEXT NOT NULL UNIQUE,
    -- With spaces between.
    scopes TEXT NOT NULL,
    created_at {time} NOT NULL,
    expires_at {time} NOT NULL,
    -- To the minute.
    last_used_at {time}
) {strict};
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, expires_at);
CREATE INDEX api_tokens_expired ON api_tokens (expires_at);
