-- Hidden services: what their owner sets of them. Keys and clients are in files of their own, in no database.

ALTER TABLE services ADD COLUMN hidden_alias TEXT NOT NULL DEFAULT '';      -- what its owner calls it to others; empty: as its name
ALTER TABLE services ADD COLUMN hidden_flags INTEGER NOT NULL DEFAULT 0;    -- 1 fast, 2 open to all who have the key, 4 no proof of work, 8 by force, 16 the alias is claimed
ALTER TABLE services ADD COLUMN hidden_rate INTEGER NOT NULL DEFAULT 0;     -- introductions a second; 0: as built in
ALTER TABLE services ADD COLUMN hidden_burst INTEGER NOT NULL DEFAULT 0;
