-- The activity log: sealed line by line, so that what is done to it afterwards shows, and found by what was done and to whom.
-- And what a person sees of their sign-ins.

-- Nothing until the line is sealed, moments after it was written. The seal is a hash over the line and the seal before it.
ALTER TABLE user_activity_log ADD COLUMN seal_number {bigint};
ALTER TABLE user_activity_log ADD COLUMN seal TEXT;
-- In the seal, details and address stand as hashes over them and a salt. What is erased of a person takes its salt with it:
-- the hash stays, and tells nothing.
ALTER TABLE user_activity_log ADD COLUMN details_hash TEXT;
ALTER TABLE user_activity_log ADD COLUMN details_salt TEXT;
ALTER TABLE user_activity_log ADD COLUMN address_hash TEXT;
ALTER TABLE user_activity_log ADD COLUMN address_salt TEXT;
-- {sqlite}
CREATE INDEX activity_in_order ON user_activity_log (seal_number, id);
-- {postgres}
CREATE UNIQUE INDEX activity_sealed ON user_activity_log (seal_number) WHERE seal_number IS NOT NULL;
CREATE INDEX activity_unsealed ON user_activity_log (id) WHERE seal_number IS NULL;
-- {both}
CREATE INDEX activity_of_kind ON user_activity_log (action, id);
CREATE INDEX activity_about ON user_activity_log ((details ->> 'user'), id) WHERE details ->> 'user' IS NOT NULL;

-- How far it is sealed, and how much of its beginning was forgotten by its age. One row, once something is sealed.
CREATE TABLE activity_chain (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    sealed_number {bigint} NOT NULL,
    seal TEXT NOT NULL,
    sealed_at {time} NOT NULL,
    forgotten_number {bigint} NOT NULL,
    forgotten_seal TEXT NOT NULL
) {strict};

-- Of a sign-in: when, from where and with what it was used last, and when a token of it was shown that had been replaced, so
-- that somebody has a copy; and when its person has read that.
ALTER TABLE sessions ADD COLUMN last_used_at {time};
ALTER TABLE sessions ADD COLUMN ip_address {inet};
ALTER TABLE sessions ADD COLUMN client TEXT;
ALTER TABLE sessions ADD COLUMN reused_at {time};
ALTER TABLE sessions ADD COLUMN reuse_seen_at {time};

-- Against mistakes and hasty hands: a line isn't changed, but for what erasure takes, and goes only by its age. Whoever may
-- change the schema can take this away; the seals tell.
-- {sqlite}
CREATE TRIGGER activity_stays BEFORE UPDATE ON user_activity_log
WHEN NEW.id IS NOT OLD.id OR NEW.user_id IS NOT OLD.user_id OR NEW.action IS NOT OLD.action
    OR NEW.created_at IS NOT OLD.created_at
    OR (NEW.ip_address IS NOT OLD.ip_address AND NEW.ip_address IS NOT NULL)
    OR (NEW.details IS NOT OLD.details
        AND (json_type(NEW.details, '$.user') IS NOT 'text' OR json_remove(NEW.details, '$.user') <> '{}'))
    OR (OLD.seal_number IS NOT NULL AND (
        NEW.seal_number IS NOT OLD.seal_number OR NEW.seal IS NOT OLD.seal
        OR NEW.details_hash IS NOT OLD.details_hash OR NEW.address_hash IS NOT OLD.address_hash
        OR (NEW.details_salt IS NOT OLD.details_salt AND NEW.details_salt IS NOT NULL)
        OR (NEW.address_salt IS NOT OLD.address_salt AND NEW.address_salt IS NOT NULL)))
BEGIN
    SELECT RAISE(ABORT, 'a line of the activity log stays as it was written');
END;
CREATE TRIGGER activity_goes_by_age BEFORE DELETE ON user_activity_log
WHEN OLD.seal_number IS NULL OR OLD.seal_number > COALESCE((SELECT forgotten_number FROM activity_chain), 0)
BEGIN
    SELECT RAISE(ABORT, 'a line of the activity log goes only by its age');
END;
-- Whoever erases a sealed line's address or details, releases older than this one too.
CREATE TRIGGER activity_erased AFTER UPDATE OF details, ip_address ON user_activity_log
WHEN OLD.seal_number IS NOT NULL AND (NEW.details IS NOT OLD.details OR NEW.ip_address IS NOT OLD.ip_address)
BEGIN
    UPDATE user_activity_log SET
        details_salt = CASE WHEN NEW.details IS NOT OLD.details THEN NULL ELSE details_salt END,
        address_salt = CASE WHEN NEW.ip_address IS NOT OLD.ip_address THEN NULL ELSE address_salt END
    WHERE id = NEW.id;
END;
-- {postgres}
CREATE FUNCTION activity_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.seal_number IS NULL
            OR OLD.seal_number > COALESCE((SELECT c.forgotten_number FROM activity_chain c), 0) THEN
            RAISE EXCEPTION 'a line of the activity log goes only by its age';
        END IF;
        RETURN OLD;
    END IF;
    IF (NEW.id, NEW.user_id, NEW.action, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.action, OLD.created_at)
        OR (NEW.ip_address IS DISTINCT FROM OLD.ip_address AND NEW.ip_address IS NOT NULL)
        OR (NEW.details IS DISTINCT FROM OLD.details
            AND (jsonb_typeof(NEW.details -> 'user') IS DISTINCT FROM 'string' OR NEW.details - 'user' <> '{}'))
        OR (OLD.seal_number IS NOT NULL AND (
            (NEW.seal_number, NEW.seal, NEW.details_hash, NEW.address_hash)
                IS DISTINCT FROM (OLD.seal_number, OLD.seal, OLD.details_hash, OLD.address_hash)
            OR (NEW.details_salt IS DISTINCT FROM OLD.details_salt AND NEW.details_salt IS NOT NULL)
            OR (NEW.address_salt IS DISTINCT FROM OLD.address_salt AND NEW.address_salt IS NOT NULL))) THEN
        RAISE EXCEPTION 'a line of the activity log stays as it was written';
    END IF;
    -- Whoever erases a sealed line's address or details, releases older than this one too.
    IF OLD.seal_number IS NOT NULL AND NEW.details IS DISTINCT FROM OLD.details THEN
        NEW.details_salt := NULL;
    END IF;
    IF OLD.seal_number IS NOT NULL AND NEW.ip_address IS DISTINCT FROM OLD.ip_address THEN
        NEW.address_salt := NULL;
    END IF;
    RETURN NEW;
END
$stays$;
CREATE TRIGGER activity_stays BEFORE UPDATE OR DELETE ON user_activity_log
    FOR EACH ROW EXECUTE FUNCTION activity_stays();
-- {both}
