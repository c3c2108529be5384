-- name: raised
SELECT name, detail, since_ms FROM alarms ORDER BY since_ms, name;

-- name: notices
SELECT id, alarm, state, detail, since_ms, at_ms FROM alarm_notices ORDER BY position;

-- name: forget
DELETE FROM alarms;

-- name: forget_notices
DELETE FROM alarm_notices;

-- name: keep
INSERT INTO alarms (name, detail, since_ms) VALUES (:name, :detail, :since_ms);

-- name: keep_notice
INSERT INTO alarm_notices (id, position, alarm, state, detail, since_ms, at_ms)
VALUES (:id, :position, :alarm, :state, :detail, :since_ms, :at_ms);
