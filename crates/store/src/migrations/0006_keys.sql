-- The keys that sign access tokens, under true names: until here the key's id lay in `private_pem` and the private key in
-- `public_pem`. Several may be there: one signs, those before it verify until the last token they signed has run out.

ALTER TABLE signing_keys RENAME TO old_signing_keys;
CREATE TABLE signing_keys (
    -- The `kid` in a token's header.
    kid TEXT NOT NULL PRIMARY KEY,
    -- PKCS #8.
    private_pem TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('sign', 'verify')),
    created_at {time} NOT NULL,
    verifies_until {time},
    CHECK ((purpose = 'verify') = (verifies_until IS NOT NULL))
) {strict};
CREATE UNIQUE INDEX signing_keys_one_signs ON signing_keys (purpose) WHERE purpose = 'sign';
INSERT INTO signing_keys (kid, private_pem, purpose, created_at)
    SELECT private_pem, public_pem, 'sign', created_at FROM old_signing_keys;
DROP TABLE old_signing_keys;

-- Whoever is disabled can't sign in; what they did stays theirs.
ALTER TABLE users ADD COLUMN disabled_at {time};

-- Of the step's text as it was applied; and the step that a program must know to run on the schema after this one,
-- nothing where every program can that could before.
ALTER TABLE migrations ADD COLUMN checksum TEXT;
ALTER TABLE migrations ADD COLUMN least TEXT;
