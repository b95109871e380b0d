-- The rows of :together creations of 8 wells in one transaction, without any server between: what PostgreSQL can do here.
BEGIN;
SELECT id, quota_remaining FROM users WHERE email = 'u' || (random() * 63)::int || '@load.test' FOR UPDATE;
WITH asked AS (
    SELECT id, gen_random_uuid() AS experiment, n
    FROM (SELECT id FROM users WHERE email LIKE 'u%@load.test' OFFSET (random() * 60)::int LIMIT 1) AS person, generate_series(1, :together) n
), charged AS (
    UPDATE users SET quota_remaining = quota_remaining - 8 * :together WHERE id = (SELECT id FROM asked LIMIT 1) RETURNING id
), experiment AS (
    INSERT INTO experiments (id, user_id, status, metadata, created_at, name, priority, last_sequence, dyes, least_nl, fullest_nl, asked)
    SELECT experiment, id, 'queued', '{}', now(), 'bench', 0, 1, 'blue red yellow', 20000, 70000, 8 FROM asked RETURNING id, user_id
), well AS (
    INSERT INTO wells (id, experiment_id, status, metadata, position, recipe)
    SELECT gen_random_uuid(), id, 'pending', '{}', n, '{"blue":30,"red":20,"yellow":20}' FROM experiment, generate_series(0, 7) n
), event AS (
    INSERT INTO events (experiment_id, sequence, kind, data, at) SELECT id, 1, 'status', '{"status":"queued"}', now() FROM experiment
)
INSERT INTO user_activity_log (id, user_id, action, details, created_at)
SELECT gen_random_uuid(), user_id, 'experiment_created', '{"wells":8}', now() FROM experiment;
COMMIT;
