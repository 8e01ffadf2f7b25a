-- Events of a stretch of time, for auditors: clocks rise nearly with the place in the table, so that a block range index
-- of a few kilobytes finds the stretch.
CREATE INDEX stored_events_by_clock ON stored_events USING brin (clock) WITH (pages_per_range = 32, autosummarize = on);
