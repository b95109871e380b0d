-- What a sign-in goes by and brings about.

-- Failed ones, so that all processes count them together and a restart forgets none. A row is an account and an
-- address together, or one of the two alone; which of them, and whose, stands in its key as a hash. Few and for a day.

CREATE TABLE sign_in_failures (
    key {uuid} NOT NULL PRIMARY KEY,
    -- In a row.
    failures {bigint} NOT NULL,
    -- Milliseconds since 1970: when the last one was, or, of an account or an address alone, when it owes nothing any more.
    at_ms {bigint} NOT NULL
) {strict};
CREATE INDEX sign_in_failures_age ON sign_in_failures (at_ms);

-- The provider of identity whose claims put somebody there, and take them out again; empty where somebody did.
ALTER TABLE group_members ADD COLUMN issuer TEXT;
