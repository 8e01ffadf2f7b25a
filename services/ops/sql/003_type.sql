-- A record that came without a type may get one: a proposed correction bears it until a second person agrees.

ALTER TABLE proposals ADD COLUMN type text;
