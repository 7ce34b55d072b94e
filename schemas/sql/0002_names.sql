-- Names: what the user calls nodes (petnames) beside what names meant when they were first met (pins); services that nobody hears of.

CREATE TABLE names (
	kind     INTEGER NOT NULL, -- 0: petname, 1: pin
	name     TEXT    NOT NULL,
	node_id  BLOB    NOT NULL,
	since_ms INTEGER NOT NULL,
	PRIMARY KEY (kind, name)
) STRICT;

INSERT INTO names SELECT 1, name, node_id, pinned_ms FROM pins;
DROP TABLE pins;

ALTER TABLE services ADD COLUMN visibility INTEGER NOT NULL DEFAULT 0; -- 0: public, 1: private
