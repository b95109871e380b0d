-- Ended experiments number :from to :to, of two measured wells each, by 100 people, with ids that grow with their age as ours do.
INSERT INTO experiments (id, user_id, status, metadata, created_at, started_at, completed_at, name, priority, last_sequence, dyes,
    least_nl, fullest_nl, asked, measured, doubtful, swatches)
SELECT CAST('01900' || lpad(to_hex(n), 7, '0') || '70008' || substr(md5(n::text), 1, 15) AS uuid), u.id, 'completed', '{}',
    now() - interval '30 days', now() - interval '30 days', now() - interval '30 days', 'seed', 0, 4, 'blue red yellow', 20000, 70000, 2, 2, 0,
    '#d9e4d8,#d9e4d8'
FROM generate_series(:from, :to) n
JOIN (SELECT id, row_number() OVER (ORDER BY email) - 1 AS number FROM users WHERE email LIKE '%@load.test') u ON u.number = n % 100;

INSERT INTO wells (id, experiment_id, status, metadata, position, recipe)
SELECT CAST('01900' || lpad(to_hex(n), 7, '0') || '7000' || lpad(to_hex(at), 4, '8') || substr(md5(n::text), 1, 12) AS uuid),
    CAST('01900' || lpad(to_hex(n), 7, '0') || '70008' || substr(md5(n::text), 1, 15) AS uuid), 'measured', '{}', at,
    '{"blue":30,"red":20,"yellow":20}'
FROM generate_series(:from, :to) n, generate_series(0, 1) at;

INSERT INTO results (id, experiment_id, well_id, measurement_data, created_at)
SELECT w.id, w.experiment_id, w.id, (SELECT measurement_data FROM results LIMIT 1), now() - interval '30 days'
FROM generate_series(:from, :to) n
JOIN wells w ON w.experiment_id = CAST('01900' || lpad(to_hex(n), 7, '0') || '70008' || substr(md5(n::text), 1, 15) AS uuid);

INSERT INTO events (experiment_id, sequence, kind, data, at)
SELECT CAST('01900' || lpad(to_hex(n), 7, '0') || '70008' || substr(md5(n::text), 1, 15) AS uuid), at, 'status', '{"status":"completed"}',
    now() - interval '30 days'
FROM generate_series(:from, :to) n, generate_series(1, 4) at;
