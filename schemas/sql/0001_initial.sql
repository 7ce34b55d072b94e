-- The first schema. Times are wall clock in ms since 1970, flags are 0 or 1, addresses are in their text form,
-- node ids are 32 bytes. Unsigned 64-bit numbers keep their bits in the signed column.

CREATE TABLE node (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	name       TEXT    NOT NULL,
	generation INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE services (
	id         TEXT    PRIMARY KEY,
	generation INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL,
	managed_by TEXT    NOT NULL,
	labels     TEXT    NOT NULL,
	name       TEXT    NOT NULL UNIQUE,
	target     TEXT    NOT NULL,
	enabled    INTEGER NOT NULL,
	access     INTEGER NOT NULL, -- 0: any node, 1: those of allow
	allow      BLOB    NOT NULL  -- node ids one after the other
) STRICT;

CREATE TABLE forwards (
	id         TEXT    PRIMARY KEY,
	generation INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL,
	managed_by TEXT    NOT NULL,
	labels     TEXT    NOT NULL,
	name       TEXT    NOT NULL UNIQUE,
	listen     TEXT    NOT NULL,
	to_node    TEXT    NOT NULL, -- a node's name, or empty
	to_service TEXT    NOT NULL,
	to_node_id BLOB,
	to_address TEXT,
	transport  TEXT    NOT NULL, -- auto, quic, tcp
	enabled    INTEGER NOT NULL
) STRICT;

CREATE TABLE peers (
	id         TEXT    PRIMARY KEY,
	generation INTEGER NOT NULL,
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL,
	managed_by TEXT    NOT NULL,
	labels     TEXT    NOT NULL,
	name       TEXT    NOT NULL, -- may be empty
	addrs      TEXT    NOT NULL, -- a line each
	node_id    BLOB,
	enabled    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX peers_name ON peers (name) WHERE name <> '';

-- Trust on first use: the node that a name meant when it was first met.
CREATE TABLE pins (
	name      TEXT    PRIMARY KEY,
	node_id   BLOB    NOT NULL,
	pinned_ms INTEGER NOT NULL
) STRICT;

-- Counters and small values of the agent itself, such as the sequence numbers of its own records.
CREATE TABLE kv (
	key   TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The highest record seen of each (type, subject, slot): nothing older is admitted again.
CREATE TABLE high_water (
	type      INTEGER NOT NULL,
	subject   BLOB    NOT NULL,
	slot      INTEGER NOT NULL,
	seq       INTEGER NOT NULL,
	hash      BLOB    NOT NULL,
	expires_s INTEGER NOT NULL,
	record    BLOB,
	PRIMARY KEY (type, subject, slot)
) STRICT, WITHOUT ROWID;

-- A ring: the oldest rows are deleted as new ones come. seq never goes back.
CREATE TABLE events (
	seq          INTEGER PRIMARY KEY,
	wall_ms      INTEGER NOT NULL,
	type         TEXT    NOT NULL,
	subject_kind TEXT    NOT NULL,
	subject_id   TEXT    NOT NULL,
	data         TEXT    NOT NULL,
	request_id   TEXT    NOT NULL
) STRICT;
