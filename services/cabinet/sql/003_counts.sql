-- How many requests stand where is told on every list. These are narrow, and their keys repeat so much that PostgreSQL
-- keeps 100,000 of them in a megabyte; the indexes for searching would take 66 to read. All columns that row-level
-- security asks about are in them, so that the table itself is left alone.

CREATE INDEX requests_of_partner_by_status ON requests (partner_id, status, distributor_id, approved);
CREATE INDEX requests_of_distributor_by_status ON requests (distributor_id, status, partner_id, approved);
