"""A year of services under a clock that can be turned: the stage renewal, its timer and the letters, without Kafka."""
