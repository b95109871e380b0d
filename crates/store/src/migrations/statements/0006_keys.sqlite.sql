[] SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'
[] SELECT id FROM lab
[] SELECT id FROM users LIMIT 1
[] SELECT kid FROM signing_keys WHERE purpose = 'sign'
[] SELECT name FROM migrations ORDER BY name
[] SELECT name, checksum, least FROM migrations ORDER BY name
[] SELECT r.id, r.name, r.identity, r.url, r.sensor_url, r.attendance, r.deck, r.mode, r.mode_by, r.mode_at, r.attention, r.attention_at, r.notice, r.notice_at, r.acts, r.accounted, r.run_id, r.tool, r.white_reference, r.lease_holder, r.lease_epoch, r.lease_expires_at, p.id AS plate_id, (r.mode = 'stopped' OR r.attention IS NOT NULL OR (r.mode = 'paused' AND r.tool ->> 'tool' = 'nothing')) AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.robot_id = r.id AND o.state = 'intended') AS stands_still FROM robots r LEFT JOIN plates p ON p.robot_id = r.id AND p.removed_at IS NULL ORDER BY r.name
[] SELECT w.experiment_id, w.recipe FROM wells w JOIN experiments e ON e.id = w.experiment_id WHERE e.status = 'queued' AND w.status = 'pending'
[bigint, uuid, bigint, bigint, text] WITH turns AS ( SELECT e.id, e.user_id, e.robot_id, e.priority, e.created_at, e.dyes, e.least_nl, e.fullest_nl, ROW_NUMBER() OVER (PARTITION BY e.user_id ORDER BY e.priority DESC, e.created_at, e.id) AS turn FROM experiments e WHERE e.status = 'queued' ) SELECT t.id, t.user_id, t.robot_id, ( SELECT COUNT(*) FROM wells w WHERE w.experiment_id = t.id AND w.status IN ('pending', 'dispensing', 'mixed') ) AS wells FROM turns t JOIN users u ON u.id = t.user_id WHERE (t.robot_id IS NULL OR t.robot_id = $2) AND (t.dyes IS NULL OR (t.least_nl >= $3 AND t.fullest_nl <= $4 AND t.dyes IN ($5))) ORDER BY t.priority DESC, t.turn, u.last_served_at NULLS FIRST, t.created_at, t.id LIMIT $1
[bigint, uuid, bigint, bigint] WITH turns AS ( SELECT e.id, e.user_id, e.robot_id, e.priority, e.created_at, e.dyes, e.least_nl, e.fullest_nl, ROW_NUMBER() OVER (PARTITION BY e.user_id ORDER BY e.priority DESC, e.created_at, e.id) AS turn FROM experiments e WHERE e.status = 'queued' ) SELECT t.id, t.user_id, t.robot_id, ( SELECT COUNT(*) FROM wells w WHERE w.experiment_id = t.id AND w.status IN ('pending', 'dispensing', 'mixed') ) AS wells FROM turns t JOIN users u ON u.id = t.user_id WHERE (t.robot_id IS NULL OR t.robot_id = $2) AND (t.dyes IS NULL OR (t.least_nl >= $3 AND t.fullest_nl <= $4 AND t.dyes IS NULL)) ORDER BY t.priority DESC, t.turn, u.last_served_at NULLS FIRST, t.created_at, t.id LIMIT $1
[bigint, uuid] WITH turns AS ( SELECT e.id, e.user_id, e.robot_id, e.priority, e.created_at, e.dyes, e.least_nl, e.fullest_nl, ROW_NUMBER() OVER (PARTITION BY e.user_id ORDER BY e.priority DESC, e.created_at, e.id) AS turn FROM experiments e WHERE e.status = 'queued' ) SELECT t.id, t.user_id, t.robot_id, ( SELECT COUNT(*) FROM wells w WHERE w.experiment_id = t.id AND w.status IN ('pending', 'dispensing', 'mixed') ) AS wells FROM turns t JOIN users u ON u.id = t.user_id WHERE t.robot_id IS NULL OR t.robot_id = $2 ORDER BY t.priority DESC, t.turn, u.last_served_at NULLS FIRST, t.created_at, t.id LIMIT $1
[bigint] SELECT DISTINCT dyes FROM experiments WHERE status = 'queued' AND dyes IS NOT NULL LIMIT $1
[bigint] WITH turns AS ( SELECT e.id, e.user_id, e.robot_id, e.priority, e.created_at, e.dyes, e.least_nl, e.fullest_nl, ROW_NUMBER() OVER (PARTITION BY e.user_id ORDER BY e.priority DESC, e.created_at, e.id) AS turn FROM experiments e WHERE e.status = 'queued' ) SELECT t.id, t.user_id, t.robot_id, ( SELECT COUNT(*) FROM wells w WHERE w.experiment_id = t.id AND w.status IN ('pending', 'dispensing', 'mixed') ) AS wells FROM turns t JOIN users u ON u.id = t.user_id WHERE TRUE ORDER BY t.priority DESC, t.turn, u.last_served_at NULLS FIRST, t.created_at, t.id LIMIT $1
[text, bigint, bigint, text, bigint, bigint, text] SELECT id FROM experiments WHERE status = 'queued' AND dyes IS NOT NULL AND robot_id IS NULL AND (TRUE AND dyes IN ($1) AND NOT (least_nl >= $2 AND fullest_nl <= $3 AND dyes IN ($4)) AND NOT (least_nl >= $5 AND fullest_nl <= $6 AND dyes IN ($7))) ORDER BY created_at LIMIT 20
[text, text, bigint, bigint, text, bigint, bigint, text] SELECT id FROM experiments WHERE status = 'queued' AND dyes IS NOT NULL AND robot_id IS NULL AND (TRUE AND dyes IN ($1, $2) AND NOT (least_nl >= $3 AND fullest_nl <= $4 AND dyes IN ($5)) AND NOT (least_nl >= $6 AND fullest_nl <= $7 AND dyes IN ($8))) ORDER BY created_at LIMIT 20
[text, text, bigint, bigint, text] SELECT id FROM experiments WHERE status = 'queued' AND dyes IS NOT NULL AND robot_id IS NULL AND (TRUE AND dyes IN ($1, $2) AND NOT (least_nl >= $3 AND fullest_nl <= $4 AND dyes IN ($5))) ORDER BY created_at LIMIT 20
[text, text, text] UPDATE migrations SET checksum = $2, least = $3 WHERE name = $1 AND checksum IS NULL
[text, text, timestamptz] INSERT INTO signing_keys (kid, private_pem, purpose, created_at) VALUES ($1, $2, 'sign', $3)
[text, text, timestamptz] INSERT INTO signing_keys (kid, private_pem, purpose, created_at) VALUES ($1, $2, 'sign', $3) ON CONFLICT DO NOTHING
[text, text] SELECT id FROM experiments WHERE status = 'queued' AND dyes IS NOT NULL AND robot_id IS NULL AND (TRUE AND dyes IN ($1, $2)) ORDER BY created_at LIMIT 20
[text, timestamptz] INSERT INTO migrations (name, applied_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
[text, uuid, jsonb, timestamptz] INSERT INTO documents (collection, id, body, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (collection, id) DO UPDATE SET body = excluded.body
[text, uuid, timestamptz] INSERT INTO spent_refresh_tokens (refresh_hash, session_id, spent_at) VALUES ($1, $2, $3)
[text, uuid] SELECT body FROM documents WHERE collection = $1 AND id = $2
[text, uuid] SELECT name FROM robots WHERE identity = $1 AND id <> $2
[text] DELETE FROM signing_keys WHERE kid = $1 AND purpose = 'verify'
[text] SELECT id, user_id, created_at, expires_at, revoked_at FROM sessions WHERE refresh_hash = $1
[text] SELECT session_id FROM spent_refresh_tokens WHERE refresh_hash = $1
[text] SELECT u.id FROM users u WHERE u.role = $1 AND u.disabled_at IS NULL ORDER BY u.id
[text] SELECT u.id, u.email, u.hashed_password, u.role, u.quota_remaining, u.created_at, u.disabled_at FROM users u WHERE u.email = $1
[timestamptz, bigint] SELECT kid, private_pem, created_at, verifies_until FROM signing_keys WHERE purpose = 'sign' OR verifies_until > $1 ORDER BY purpose, created_at DESC LIMIT $2
[timestamptz, text] SELECT u.id, u.email, u.hashed_password, u.role, u.quota_remaining, u.created_at, u.disabled_at, s.id AS session_id, s.created_at AS session_created_at, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.revoked_at IS NULL AND u.disabled_at IS NULL AND s.expires_at > $1 AND s.refresh_hash = $2
[timestamptz, timestamptz] DELETE FROM spent_refresh_tokens WHERE spent_at <= $1 OR session_id IN (SELECT id FROM sessions WHERE expires_at <= $2)
[timestamptz, uuid, uuid] SELECT u.id, u.email, u.hashed_password, u.role, u.quota_remaining, u.created_at, u.disabled_at, s.id AS session_id, s.created_at AS session_created_at, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.revoked_at IS NULL AND u.disabled_at IS NULL AND s.expires_at > $1 AND s.id = $2 AND s.user_id = $3
[timestamptz] DELETE FROM idempotency_keys WHERE created_at <= $1
[timestamptz] DELETE FROM sessions WHERE expires_at <= $1
[timestamptz] DELETE FROM signing_keys WHERE verifies_until <= $1
[timestamptz] UPDATE signing_keys SET purpose = 'verify', verifies_until = $1 WHERE purpose = 'sign'
[uuid, bigint, bigint] SELECT experiment_id, sequence, kind, data, at FROM events WHERE experiment_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
[uuid, bigint, bigint] SELECT o.id, o.robot_id, o.experiment_id, o.lease_epoch, o.run_id, o.sequence, o.step, o.state, o.intended_at, e.outcome, e.at AS ended_at FROM operations o LEFT JOIN operation_events e ON e.operation_id = o.id AND e.event = o.state AND o.state <> 'intended' WHERE o.experiment_id = $1 AND o.sequence > $2 ORDER BY o.sequence LIMIT $3
[uuid, bigint, jsonb, boolean, text, jsonb, boolean, bigint, jsonb, boolean, jsonb, timestamptz, bigint, text, bigint] UPDATE robots SET last_sequence = last_sequence + $2, tool = COALESCE($3, tool), run_id = CASE WHEN $4 THEN $5 ELSE run_id END, white_reference = COALESCE($6, white_reference), waste_nl = CASE WHEN $7 THEN 0 ELSE waste_nl END + $8, attention_at = CASE WHEN FALSE THEN NULL WHEN attention IS NULL AND $9 IS NOT NULL THEN $12 ELSE attention_at END, attention = CASE WHEN FALSE THEN NULL ELSE COALESCE(attention, $9) END, notice = CASE WHEN $10 THEN $11 ELSE notice END, notice_at = CASE WHEN $10 THEN $12 ELSE notice_at END WHERE id = $1 AND lease_epoch = $13 AND lease_holder = $14 AND acts = $15 AND attention IS NULL AND (mode IN ('active', 'draining') OR (mode = 'paused' AND tool ->> 'tool' <> 'nothing')) RETURNING last_sequence
[uuid, bigint, jsonb, boolean, text, jsonb, boolean, bigint, jsonb, boolean, jsonb, timestamptz, bigint, text, bigint] UPDATE robots SET last_sequence = last_sequence + $2, tool = COALESCE($3, tool), run_id = CASE WHEN $4 THEN $5 ELSE run_id END, white_reference = COALESCE($6, white_reference), waste_nl = CASE WHEN $7 THEN 0 ELSE waste_nl END + $8, attention_at = CASE WHEN FALSE THEN NULL WHEN attention IS NULL AND $9 IS NOT NULL THEN $12 ELSE attention_at END, attention = CASE WHEN FALSE THEN NULL ELSE COALESCE(attention, $9) END, notice = CASE WHEN $10 THEN $11 ELSE notice END, notice_at = CASE WHEN $10 THEN $12 ELSE notice_at END WHERE id = $1 AND lease_epoch = $13 AND lease_holder = $14 AND acts = $15 AND mode IN ('active', 'draining') AND attention IS NULL RETURNING last_sequence
[uuid, bigint, jsonb, boolean, text, jsonb, boolean, bigint, jsonb, boolean, jsonb, timestamptz, bigint, text] UPDATE robots SET last_sequence = last_sequence + $2, tool = COALESCE($3, tool), run_id = CASE WHEN $4 THEN $5 ELSE run_id END, white_reference = COALESCE($6, white_reference), waste_nl = CASE WHEN $7 THEN 0 ELSE waste_nl END + $8, attention_at = CASE WHEN FALSE THEN NULL WHEN attention IS NULL AND $9 IS NOT NULL THEN $12 ELSE attention_at END, attention = CASE WHEN FALSE THEN NULL ELSE COALESCE(attention, $9) END, notice = CASE WHEN $10 THEN $11 ELSE notice END, notice_at = CASE WHEN $10 THEN $12 ELSE notice_at END WHERE id = $1 AND lease_epoch = $13 AND lease_holder = $14 RETURNING last_sequence
[uuid, bigint, jsonb, boolean, text, jsonb, boolean, bigint, jsonb, boolean, jsonb, timestamptz] UPDATE robots SET last_sequence = last_sequence + $2, tool = COALESCE($3, tool), run_id = CASE WHEN $4 THEN $5 ELSE run_id END, white_reference = COALESCE($6, white_reference), waste_nl = CASE WHEN $7 THEN 0 ELSE waste_nl END + $8, attention_at = CASE WHEN FALSE THEN NULL WHEN attention IS NULL AND $9 IS NOT NULL THEN $12 ELSE attention_at END, attention = CASE WHEN FALSE THEN NULL ELSE COALESCE(attention, $9) END, notice = CASE WHEN $10 THEN $11 ELSE notice END, notice_at = CASE WHEN $10 THEN $12 ELSE notice_at END , acts = acts + 1 WHERE id = $1 RETURNING last_sequence
[uuid, bigint, jsonb, boolean, text, jsonb, boolean, bigint, jsonb, boolean, jsonb, timestamptz] UPDATE robots SET last_sequence = last_sequence + $2, tool = COALESCE($3, tool), run_id = CASE WHEN $4 THEN $5 ELSE run_id END, white_reference = COALESCE($6, white_reference), waste_nl = CASE WHEN $7 THEN 0 ELSE waste_nl END + $8, attention_at = CASE WHEN TRUE THEN NULL WHEN attention IS NULL AND $9 IS NOT NULL THEN $12 ELSE attention_at END, attention = CASE WHEN TRUE THEN NULL ELSE COALESCE(attention, $9) END, notice = CASE WHEN $10 THEN $11 ELSE notice END, notice_at = CASE WHEN $10 THEN $12 ELSE notice_at END , acts = acts + 1 WHERE id = $1 RETURNING last_sequence
[uuid, bigint, text, jsonb, timestamptz] INSERT INTO events (experiment_id, sequence, kind, data, at) VALUES ($1, $2, $3, $4, $5)
[uuid, bigint, text] SELECT 1 FROM robots WHERE id = $1 AND lease_epoch = $2 AND lease_holder = $3
[uuid, bigint, uuid] SELECT e.id, e.user_id, e.name, e.status, e.priority, e.robot_id, e.plate_id, e.control, e.fault, e.created_at, e.started_at, e.completed_at, e.metadata, e.dyes, e.least_nl, e.fullest_nl, u.email FROM experiments e JOIN users u ON u.id = e.user_id WHERE e.id < $1 AND e.user_id = $3 ORDER BY e.id DESC LIMIT $2
[uuid, bigint, uuid] SELECT id, user_id, action, details, ip_address AS address, created_at FROM user_activity_log WHERE id < $1 AND user_id = $3 ORDER BY id DESC LIMIT $2
[uuid, bigint, uuid] SELECT r.mode IN ('paused', 'stopped') OR r.attention IS NOT NULL AS held, r.acts, e.control, e.status = 'running' AS running FROM robots r LEFT JOIN experiments e ON e.id = $3 WHERE r.id = $1 AND r.lease_epoch = $2
[uuid, bigint] SELECT e.id, e.user_id, e.name, e.status, e.priority, e.robot_id, e.plate_id, e.control, e.fault, e.created_at, e.started_at, e.completed_at, e.metadata, e.dyes, e.least_nl, e.fullest_nl, u.email FROM experiments e JOIN users u ON u.id = e.user_id WHERE e.id < $1 ORDER BY e.id DESC LIMIT $2
[uuid, bigint] SELECT id, user_id, action, details, ip_address AS address, created_at FROM user_activity_log WHERE id < $1 ORDER BY id DESC LIMIT $2
[uuid, bigint] SELECT o.id, o.robot_id, o.experiment_id, o.lease_epoch, o.run_id, o.sequence, o.step, o.state, o.intended_at, e.outcome, e.at AS ended_at FROM operations o LEFT JOIN operation_events e ON e.operation_id = o.id AND e.event = o.state AND o.state <> 'intended' WHERE o.robot_id = $1 AND o.state = 'intended' ORDER BY o.sequence LIMIT $2
[uuid, bigint] SELECT u.id, u.email, u.hashed_password, u.role, u.quota_remaining, u.created_at, u.disabled_at FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2
[uuid, bigint] UPDATE experiments SET last_sequence = last_sequence + $2 WHERE id = $1 RETURNING last_sequence
[uuid, integer, integer] UPDATE users SET quota_remaining = quota_remaining + $2 - $3 WHERE id = $1
[uuid, integer] UPDATE users SET quota_remaining = quota_remaining + $2 WHERE id = (SELECT user_id FROM experiments WHERE id = $1)
[uuid, smallint, text, text] INSERT INTO tips (robot_id, slot, tip, dye) VALUES ($1, $2, $3, $4) ON CONFLICT (robot_id, slot, tip) DO UPDATE SET dye = excluded.dye
[uuid, smallint] DELETE FROM tips WHERE robot_id = $1 AND slot = $2
[uuid, text, bigint, text, timestamptz] UPDATE vials SET volume_nl = $3, batch = $4, filled_at = $5 WHERE robot_id = $1 AND vial = $2
[uuid, text, bigint] SELECT step FROM operations WHERE experiment_id = $1 AND state <> $2 AND CAST(step AS TEXT) LIKE '%"dispense"%' LIMIT $3
[uuid, text, bigint] UPDATE robots SET lease_holder = NULL, lease_expires_at = NULL WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $3
[uuid, text, bigint] UPDATE vials SET volume_nl = CASE WHEN volume_nl > $3 THEN volume_nl - $3 ELSE 0 END WHERE robot_id = $1 AND vial = $2
[uuid, text, integer, timestamptz] UPDATE users SET role = $2, quota_remaining = $3, disabled_at = $4 WHERE id = $1
[uuid, text, jsonb, timestamptz, boolean, timestamptz] UPDATE experiments SET status = $2, fault = $3, control = NULL, completed_at = $4, started_at = CASE WHEN $5 THEN COALESCE(started_at, $6) ELSE started_at END WHERE id = $1 AND status IN ('queued', 'paused')
[uuid, text, jsonb, timestamptz, boolean, timestamptz] UPDATE experiments SET status = $2, fault = $3, control = NULL, completed_at = $4, started_at = CASE WHEN $5 THEN COALESCE(started_at, $6) ELSE started_at END WHERE id = $1 AND status IN ('queued', 'running')
[uuid, text, jsonb, timestamptz, boolean, timestamptz] UPDATE experiments SET status = $2, fault = $3, control = NULL, completed_at = $4, started_at = CASE WHEN $5 THEN COALESCE(started_at, $6) ELSE started_at END WHERE id = $1 AND status IN ('queued', 'running', 'paused')
[uuid, text, jsonb, timestamptz, boolean, timestamptz] UPDATE experiments SET status = $2, fault = $3, control = NULL, completed_at = $4, started_at = CASE WHEN $5 THEN COALESCE(started_at, $6) ELSE started_at END WHERE id = $1 AND status IN ('running')
[uuid, text, jsonb, timestamptz, boolean, timestamptz] UPDATE experiments SET status = $2, fault = $3, control = NULL, completed_at = $4, started_at = CASE WHEN $5 THEN COALESCE(started_at, $6) ELSE started_at END WHERE id = $1 AND status IN ('running', 'paused')
[uuid, text, jsonb, timestamptz] INSERT INTO operation_events (operation_id, event, outcome, at) VALUES ($1, $2, $3, $4)
[uuid, text, jsonb] UPDATE wells SET status = $2, fault = $3 WHERE experiment_id = $1 AND status IN ('pending', 'dispensing', 'mixed') RETURNING id, experiment_id, position, well_id
[uuid, text, jsonb] UPDATE wells SET status = $2, fault = $3 WHERE id = $1 AND status IN ('') RETURNING id, experiment_id, position, well_id
[uuid, text, jsonb] UPDATE wells SET status = $2, fault = $3 WHERE id = $1 AND status IN ('dispensing') RETURNING id, experiment_id, position, well_id
[uuid, text, jsonb] UPDATE wells SET status = $2, fault = $3 WHERE id = $1 AND status IN ('mixed') RETURNING id, experiment_id, position, well_id
[uuid, text, jsonb] UPDATE wells SET status = $2, fault = $3 WHERE id = $1 AND status IN ('pending') RETURNING id, experiment_id, position, well_id
[uuid, text, jsonb] UPDATE wells SET status = $2, fault = $3 WHERE id = $1 AND status IN ('pending', 'dispensing', 'mixed') RETURNING id, experiment_id, position, well_id
[uuid, text, text, text, integer, timestamptz] INSERT INTO users (id, email, hashed_password, role, quota_remaining, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING
[uuid, text, text, text, text, jsonb, text, jsonb, text] INSERT INTO robots (id, name, url, sensor_url, attendance, deck, mode, tool, waste_nl, lease_epoch, last_sequence, identity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9) ON CONFLICT (name) DO UPDATE SET url = excluded.url, sensor_url = excluded.sensor_url, attendance = excluded.attendance, deck = excluded.deck, identity = COALESCE(excluded.identity, robots.identity) WHERE excluded.identity IS NULL OR robots.identity IS NULL OR robots.identity = excluded.identity RETURNING id
[uuid, text, text, timestamptz, boolean] UPDATE robots SET mode = $2, acts = acts + 1, mode_by = CASE WHEN mode = $2 THEN mode_by ELSE $3 END, mode_at = CASE WHEN mode = $2 THEN mode_at ELSE $4 END, attention = CASE WHEN $5 THEN NULL ELSE attention END, attention_at = CASE WHEN $5 THEN NULL ELSE attention_at END WHERE id = $1
[uuid, text, text, uuid, timestamptz] INSERT INTO idempotency_keys (user_id, key, request_hash, experiment_id, created_at) VALUES ($1, $2, $3, $4, $5)
[uuid, text, timestamptz, bigint] UPDATE robots SET lease_expires_at = $3 WHERE id = $1 AND lease_holder = $2 AND lease_epoch = $4
[uuid, text, timestamptz, timestamptz] UPDATE robots SET lease_holder = $2, lease_epoch = lease_epoch + 1, lease_expires_at = $3 WHERE id = $1 AND (lease_holder IS NULL OR lease_holder = $2 OR lease_expires_at <= $4) RETURNING lease_epoch
[uuid, text, timestamptz] UPDATE robots SET lease_holder = $2, lease_epoch = lease_epoch + 1, lease_expires_at = $3 WHERE id = $1 RETURNING lease_epoch
[uuid, text, timestamptz] UPDATE sessions SET refresh_hash = $2, expires_at = $3 WHERE id = $1
[uuid, text] SELECT experiment_id, sequence, kind, data, at FROM events WHERE experiment_id = $1 AND kind = $2 ORDER BY sequence DESC LIMIT 1
[uuid, text] SELECT i.request_hash, i.experiment_id, u.quota_remaining FROM idempotency_keys i JOIN users u ON u.id = i.user_id WHERE i.user_id = $1 AND i.key = $2
[uuid, text] SELECT id FROM users WHERE id = $1 AND hashed_password = $2 AND disabled_at IS NULL
[uuid, text] UPDATE experiments SET control = $2 WHERE id = $1
[uuid, text] UPDATE robots SET identity = $2 WHERE id = $1
[uuid, text] UPDATE users SET hashed_password = $2 WHERE id = $1
[uuid, timestamptz] INSERT INTO quota_entries (well_id, reason, user_id, created_at) SELECT w.id, 'returned', e.user_id, $2 FROM wells w JOIN experiments e ON e.id = w.experiment_id WHERE e.id = $1 AND w.status IN ('failed', 'quarantined', 'cancelled') AND NOT (w.status = 'cancelled' AND w.metadata ->> 'makes_up_for' IS NOT NULL) ON CONFLICT (well_id, reason) DO NOTHING
[uuid, timestamptz] UPDATE plates SET removed_at = $2 WHERE robot_id = $1 AND removed_at IS NULL
[uuid, timestamptz] UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL
[uuid, timestamptz] UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL
[uuid, timestamptz] UPDATE users SET last_served_at = $2 WHERE id = (SELECT user_id FROM experiments WHERE id = $1)
[uuid, uuid, text, jsonb, integer, jsonb] INSERT INTO wells (id, experiment_id, status, metadata, position, recipe) VALUES ($1, $2, $3, $4, $5, $6)
[uuid, uuid, text, jsonb, text, timestamptz] INSERT INTO user_activity_log (id, user_id, action, details, ip_address, created_at) VALUES ($1, $2, $3, $4, $5, $6)
[uuid, uuid, text, jsonb, timestamptz, text, smallint, text, bigint, bigint] INSERT INTO experiments (id, user_id, status, metadata, created_at, name, priority, last_sequence, dyes, least_nl, fullest_nl) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10)
[uuid, uuid, text, timestamptz, timestamptz] INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
[uuid, uuid, text, uuid] INSERT INTO wells (id, experiment_id, well_id, status, metadata, position, plate_id, recipe, replaces) SELECT $2, experiment_id, $3, 'pending', metadata, position, $4, recipe, id FROM wells WHERE id = $1
[uuid, uuid, text] UPDATE operations SET state = $3 WHERE id = $1 AND robot_id = $2 AND state IN ('')
[uuid, uuid, text] UPDATE operations SET state = $3 WHERE id = $1 AND robot_id = $2 AND state IN ('in_doubt')
[uuid, uuid, text] UPDATE operations SET state = $3 WHERE id = $1 AND robot_id = $2 AND state IN ('intended')
[uuid, uuid, timestamptz] INSERT INTO plates (id, robot_id, placed_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET robot_id = excluded.robot_id, placed_at = excluded.placed_at, removed_at = NULL
[uuid, uuid, timestamptz] INSERT INTO quota_entries (well_id, reason, user_id, created_at) SELECT id, 'charged', $2, $3 FROM wells WHERE experiment_id = $1
[uuid, uuid, timestamptz] INSERT INTO quota_entries (well_id, reason, user_id, created_at) SELECT w.id, CASE WHEN w.id = $1 THEN 'returned' ELSE 'charged' END, e.user_id, $3 FROM wells w JOIN experiments e ON e.id = w.experiment_id WHERE w.id IN ($1, $2)
[uuid, uuid, uuid, bigint, text, bigint, jsonb, text, timestamptz] INSERT INTO operations (id, robot_id, experiment_id, lease_epoch, run_id, sequence, step, state, intended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING
[uuid, uuid, uuid, jsonb, timestamptz] INSERT INTO results (id, experiment_id, well_id, measurement_data, created_at) VALUES ($1, $2, $3, $4, $5)
[uuid, uuid, uuid, text] UPDATE wells SET plate_id = $1, well_id = places.column2 FROM (VALUES ($3, $4) ) AS places WHERE wells.id = places.column1 AND wells.experiment_id = $2 AND wells.status = 'pending'
[uuid, uuid, uuid] UPDATE experiments SET robot_id = $2, plate_id = $3 WHERE id = $1
[uuid, uuid] SELECT 1 FROM plates WHERE id = $2 AND robot_id = $1 AND removed_at IS NULL
[uuid, uuid] SELECT COUNT(*) AS paid FROM wells w JOIN experiments e ON e.id = w.experiment_id LEFT JOIN quota_entries q ON q.well_id = w.id AND q.reason = 'returned' WHERE e.user_id = $1 AND w.status = 'measured' AND q.well_id IS NULL AND w.id IN (VALUES ($2) )
[uuid, uuid] SELECT id FROM experiments WHERE id = $1 AND status = 'queued' AND (robot_id IS NULL OR robot_id = $2)
[uuid, uuid] SELECT state FROM operations WHERE id = $1 AND robot_id = $2
[uuid] INSERT INTO lab (one, id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING
[uuid] SELECT e.id, e.user_id, e.name, e.status, e.priority, e.robot_id, e.plate_id, e.control, e.fault, e.created_at, e.started_at, e.completed_at, e.metadata, e.dyes, e.least_nl, e.fullest_nl, u.email FROM experiments e JOIN users u ON u.id = e.user_id WHERE e.id = $1
[uuid] SELECT e.id, e.user_id, e.name, e.status, e.priority, e.robot_id, e.plate_id, e.control, e.fault, e.created_at, e.started_at, e.completed_at, e.metadata, e.dyes, e.least_nl, e.fullest_nl, u.email FROM experiments e JOIN users u ON u.id = e.user_id WHERE e.robot_id = $1 AND e.status = 'running'
[uuid] SELECT e.id, e.user_id, e.name, e.status, e.priority, e.robot_id, e.plate_id, e.control, e.fault, e.created_at, e.started_at, e.completed_at, e.metadata, e.dyes, e.least_nl, e.fullest_nl, u.email FROM experiments e JOIN users u ON u.id = e.user_id WHERE e.robot_id = $1 AND e.status = 'running' LIMIT 1
[uuid] SELECT e.id, r.mode, r.attention IS NOT NULL AS asks, r.notice IS NOT NULL AS unusable FROM robots r JOIN experiments e ON e.robot_id = r.id AND e.status = 'running' WHERE r.id = $1
[uuid] SELECT id FROM experiments WHERE id = $1 AND status = 'queued'
[uuid] SELECT id FROM experiments WHERE robot_id = $1 AND status = 'running' LIMIT 1
[uuid] SELECT id FROM wells WHERE experiment_id = $1 AND status IN ('dispensing', 'mixed')
[uuid] SELECT id, well_id FROM wells WHERE plate_id = $1
[uuid] SELECT mode, attention FROM robots WHERE id = $1
[uuid] SELECT quota_remaining FROM users WHERE id = $1
[uuid] SELECT r.id, r.name, r.identity, r.url, r.sensor_url, r.attendance, r.deck, r.mode, r.mode_by, r.mode_at, r.attention, r.attention_at, r.notice, r.notice_at, r.acts, r.accounted, r.run_id, r.tool, r.white_reference, r.lease_holder, r.lease_epoch, r.lease_expires_at, p.id AS plate_id, (r.mode = 'stopped' OR r.attention IS NOT NULL OR (r.mode = 'paused' AND r.tool ->> 'tool' = 'nothing')) AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.robot_id = r.id AND o.state = 'intended') AS stands_still FROM robots r LEFT JOIN plates p ON p.robot_id = r.id AND p.removed_at IS NULL WHERE r.id = $1
[uuid] SELECT r.waste_nl, p.id AS plate_id FROM robots r LEFT JOIN plates p ON p.robot_id = r.id AND p.removed_at IS NULL WHERE r.id = $1
[uuid] SELECT slot, tip, dye FROM tips WHERE robot_id = $1 ORDER BY slot, tip
[uuid] SELECT state FROM operations WHERE id = $1
[uuid] SELECT status FROM experiments WHERE id = $1
[uuid] SELECT status FROM wells WHERE id = $1
[uuid] SELECT status, control FROM experiments WHERE id = $1
[uuid] SELECT u.id, u.email, u.hashed_password, u.role, u.quota_remaining, u.created_at, u.disabled_at FROM users u WHERE u.id = $1
[uuid] SELECT vial, dye, volume_nl, batch, filled_at FROM vials WHERE robot_id = $1 ORDER BY vial
[uuid] SELECT w.experiment_id, COUNT(*) FILTER (WHERE w.replaces IS NULL) AS asked, COUNT(*) FILTER (WHERE w.status = 'measured') AS measured, STRING_AGG(r.measurement_data ->> 'srgb', ',' ORDER BY w.position, w.id) AS swatches FROM wells w LEFT JOIN results r ON r.well_id = w.id WHERE w.experiment_id IN (VALUES ($1) ) GROUP BY w.experiment_id
[uuid] SELECT w.id FROM wells w JOIN plates p ON p.id = w.plate_id WHERE w.experiment_id = $1 AND EXISTS ( SELECT 1 FROM wells before WHERE before.well_id = w.well_id AND before.status <> 'pending' AND before.plate_id = ( SELECT q.id FROM plates q WHERE q.robot_id = p.robot_id AND q.placed_at < p.placed_at ORDER BY q.placed_at DESC LIMIT 1))
[uuid] SELECT w.id FROM wells w JOIN quota_entries q ON q.well_id = w.id AND q.reason = 'returned' WHERE w.experiment_id = $1 AND w.status = 'measured'
[uuid] SELECT w.id, w.experiment_id, w.position, w.well_id, w.plate_id, w.status, w.recipe, w.replaces, w.fault, w.metadata, r.id AS result_id, r.measurement_data, r.created_at AS measured_at FROM wells w LEFT JOIN results r ON r.well_id = w.id WHERE w.experiment_id = $1 ORDER BY w.position, w.id
[uuid] SELECT well_id FROM wells WHERE plate_id = $1
[uuid] UPDATE experiments SET control = NULL WHERE id = $1
[uuid] UPDATE experiments SET robot_id = NULL, plate_id = NULL WHERE id = $1
[uuid] UPDATE wells SET plate_id = NULL, well_id = NULL WHERE experiment_id = $1 AND status = 'pending'
