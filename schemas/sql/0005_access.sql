-- Who may use the API: tokens; and what was done with it.

CREATE TABLE tokens (
	id         TEXT    PRIMARY KEY,
	generation INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL,
	managed_by TEXT    NOT NULL,
	labels     TEXT    NOT NULL,
	name       TEXT    NOT NULL UNIQUE,
	public_id  TEXT    NOT NULL UNIQUE, -- the part of its text that is no secret
	hash       BLOB    NOT NULL,        -- of the whole text, 32 bytes
	role       INTEGER NOT NULL,        -- 1 viewer, 2 operator, 3 admin
	expires_ms INTEGER NOT NULL,        -- 0: never
	scopes     TEXT    NOT NULL,        -- JSON array; empty: all that the role may
	allow_from TEXT    NOT NULL         -- JSON array; empty: anywhere
) STRICT;

-- A chain: each row's hash covers the row and the hash before it. The oldest rows are deleted as new ones come.
CREATE TABLE audit (
	seq        INTEGER PRIMARY KEY,
	wall_ms    INTEGER NOT NULL,
	actor      TEXT    NOT NULL,
	origin     TEXT    NOT NULL, -- where the request came from
	operation  TEXT    NOT NULL,
	target     TEXT    NOT NULL,
	outcome    TEXT    NOT NULL,
	request_id TEXT    NOT NULL,
	prev       BLOB    NOT NULL, -- the hash of the row before
	hash       BLOB    NOT NULL
) STRICT;
