-- A sign-in that waits for its second factor may have begun by the word of a provider of identity: as of sessions.

ALTER TABLE pending_sign_ins ADD COLUMN issuer TEXT;
ALTER TABLE pending_sign_ins ADD COLUMN subject TEXT;
ALTER TABLE pending_sign_ins ADD COLUMN provider_session TEXT;
CREATE INDEX pending_sign_ins_of_subject ON pending_sign_ins (subject) WHERE subject IS NOT NULL;
CREATE INDEX pending_sign_ins_of_provider ON pending_sign_ins (provider_session) WHERE provider_session IS NOT NULL;
