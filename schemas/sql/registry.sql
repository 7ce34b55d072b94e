-- DIR/registry.db: what the registry knows of others, as it was when it last changed. A cache: it can be rebuilt from the network, and
-- one that is damaged is set aside. Keys and values are in the form that agent/discovery/registry_row.h describes; each value ends with
-- a checksum over both.

CREATE TABLE rows (
	key   BLOB NOT NULL PRIMARY KEY, -- subject(32) | type u8 | slot u64
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
