"""On each distributor's own topic of Kafka."""
