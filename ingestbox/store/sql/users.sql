-- name: insert
INSERT INTO users (email, email_key, password, roles, workspace, created_by, created_ms, updated_ms)
VALUES (:email, :email_key, :password, :roles, :workspace, :created_by, :now, :now)
RETURNING id;

-- name: taken
SELECT id FROM users WHERE email_key = :email_key;

-- name: by_email
-- What a login needs: the password's hash is read here alone.
SELECT id, email, roles, workspace, generation, disabled_ms, password FROM users WHERE email_key = :email_key;

-- name: any
SELECT 1 FROM users LIMIT 1;

-- name: by_id
SELECT id, email, roles, workspace, generation, disabled_ms FROM users WHERE id = :id;

-- name: one
SELECT id, email, roles, workspace, created_by, created_ms, updated_ms, login_ms, disabled_ms,
    (SELECT expires_ms FROM invitations WHERE user_id = users.id), password <> ''
FROM users WHERE id = :id AND :workspace IN (workspace, '*');

-- name: page
-- Newest first, below the id that the last page ended with.
SELECT id, email, roles, workspace, created_by, created_ms, updated_ms, login_ms, disabled_ms,
    (SELECT expires_ms FROM invitations WHERE user_id = users.id), password <> ''
FROM users WHERE workspace = :workspace AND id < :below ORDER BY id DESC LIMIT :limit;

-- name: page_everywhere
SELECT id, email, roles, workspace, created_by, created_ms, updated_ms, login_ms, disabled_ms,
    (SELECT expires_ms FROM invitations WHERE user_id = users.id), password <> ''
FROM users WHERE id < :below ORDER BY id DESC LIMIT :limit;

-- name: page_of_email
SELECT id, email, roles, workspace, created_by, created_ms, updated_ms, login_ms, disabled_ms,
    (SELECT expires_ms FROM invitations WHERE user_id = users.id), password <> ''
FROM users
WHERE email_key = :email_key AND :workspace IN (workspace, '*') AND id < :below
ORDER BY id DESC LIMIT :limit;

-- name: set_roles
UPDATE users SET roles = :roles, generation = generation + 1, updated_ms = :now WHERE id = :id;

-- name: set_password
UPDATE users SET password = :password, generation = generation + 1, updated_ms = :now WHERE id = :id;

-- name: end_logins
UPDATE users SET generation = generation + 1, updated_ms = :now WHERE id = :id;

-- name: disable
UPDATE users SET disabled_ms = :now, generation = generation + 1, updated_ms = :now WHERE id = :id;

-- name: enable
UPDATE users SET disabled_ms = NULL, updated_ms = :now WHERE id = :id;

-- name: remove
DELETE FROM users WHERE id = :id;

-- name: other_administrators
-- Enabled administrators besides one who could give back what is taken: of the same workspace, or of all. The
-- table is small, and this runs when one of them goes.
SELECT COUNT(*) FROM users
WHERE id <> :id AND workspace IN (:workspace, '*') AND disabled_ms IS NULL
AND ' ' || roles || ' ' LIKE '% admin %';

-- name: rehash
-- The same password under newer parameters; not when it was changed meanwhile.
UPDATE users SET password = :password WHERE id = :id AND password = :before;

-- name: logged_in
UPDATE users SET login_ms = :now WHERE id = :id;

-- name: end_all_logins
-- Of a store that was put back.
UPDATE users SET generation = generation + :ahead;
