"""The channel of a distributor's own topic on Kafka."""
