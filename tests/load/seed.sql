-- :people people, each with :each experiments of 8 measured wells, as the lab leaves them when they are done. The measurement
-- is a virtual robot's.
INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at)
SELECT gen_random_uuid(), 'u' || n || '@load.test', ':hash', 'student', 1000000000, now() FROM generate_series(0, :people - 1) n;

INSERT INTO experiments (id, user_id, status, metadata, created_at, started_at, completed_at, name, priority, last_sequence, dyes,
    least_nl, fullest_nl, asked, measured, doubtful, swatches)
SELECT gen_random_uuid(), u.id, 'completed', '{}', now() - n * interval '1 hour', now() - n * interval '1 hour', now(), 'seed', 0, 1,
    'blue red yellow', 20000, 70000, 8, 8, 0, array_to_string(array_fill('#d9e4d8'::text, ARRAY[8]), ',')
FROM users u, generate_series(1, :each) n WHERE u.email LIKE '%@load.test';

INSERT INTO wells (id, experiment_id, status, metadata, position, recipe)
SELECT gen_random_uuid(), e.id, 'measured', '{}', n, '{"blue":30,"red":20,"yellow":20}' FROM experiments e, generate_series(0, 7) n;

INSERT INTO results (id, experiment_id, well_id, measurement_data, created_at)
SELECT gen_random_uuid(), experiment_id, id, '{"channels":{"ch410":2578,"ch440":28180,"ch470":17615,"ch510":23552,"ch550":36497,"ch583":30703,"ch620":16920,"ch670":5128,"clear":38378,"nir":888},"delta_e":1.776101097362605,"lab":{"a":-5.878245374996094,"b":4.579095695894897,"l":89.56665172072545},"measured_at":"2026-11-24T21:29:51.387853761Z","method":"fixed 3×8 map from AS7341 band ratios to CIE XYZ (D65, 2°)","operation_id":"01a20f77-1217-72c3-ba34-df1e6114762b","predicted":{"lab":{"a":-6.020012194856483,"b":6.876141337436303,"l":89.70819932910067},"srgb":"#dbe5d4","transmittance":[0.6706713383622515,0.6771968082006692,0.6718091871456877,0.7119172257765333,0.8178372204259349,0.7800958237933227,0.6517795542320266,0.8427131908326759],"xyz":{"x":0.6911331487205206,"y":0.7567493510688847,"z":0.7341852303648125}},"saturated":false,"settings":{"again_code":8,"astep":999,"atime":100,"gain":128.0,"integration_ms":280.78},"srgb":"#d9e4d8","transmittance":[0.7253798536859876,0.7002460055164873,0.6822759315206445,0.7279020892570158,0.8065100656310079,0.7630159795223539,0.6504690143010918,0.8383194376328266],"white_reference":{"at":"2026-11-24T21:29:51.380120996Z","channels":{"ch410":3554,"ch440":40243,"ch470":25818,"ch510":32356,"ch550":45253,"ch583":40239,"ch620":26012,"ch670":6117,"clear":51961,"nir":886},"operation_id":"01a20f77-120e-7059-b513-6967eb380bc7","well_id":"H12"},"xyz":{"x":0.6889756099085517,"y":0.7537134647509695,"z":0.7602714331535942}}', now() FROM wells;

INSERT INTO events (experiment_id, sequence, kind, data, at)
SELECT id, 1, 'status', '{"status":"completed"}', now() FROM experiments;

VACUUM ANALYZE;
