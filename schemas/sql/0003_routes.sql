-- Routes: how a forward gets to its target; and what this node gives to the circuits of others.

ALTER TABLE forwards ADD COLUMN via TEXT NOT NULL DEFAULT 'auto';         -- auto, direct, relay
ALTER TABLE forwards ADD COLUMN hops INTEGER NOT NULL DEFAULT 0;          -- relays; 0: as the mode has it
ALTER TABLE forwards ADD COLUMN through BLOB NOT NULL DEFAULT x'';        -- node ids of relays one after the other
ALTER TABLE forwards ADD COLUMN anonymous INTEGER NOT NULL DEFAULT 0;

ALTER TABLE node ADD COLUMN relay_mode TEXT NOT NULL DEFAULT 'public';    -- public, private, off
ALTER TABLE node ADD COLUMN relay_circuits INTEGER NOT NULL DEFAULT 0;    -- 0: as built in
ALTER TABLE node ADD COLUMN relay_memory_mb INTEGER NOT NULL DEFAULT 0;   -- 0: as built in
ALTER TABLE node ADD COLUMN relay_rate_mbit INTEGER NOT NULL DEFAULT 0;   -- 0: no limit
