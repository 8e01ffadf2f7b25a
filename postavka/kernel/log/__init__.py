"""Kafka, as we use it: connections, records, topics, reading a range, the outbox relay, sending commands."""
