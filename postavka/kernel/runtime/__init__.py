"""Real servers on one machine without docker: Java, Kafka and PostgreSQL from package registries, kept running
by a process manager. It knows nothing of the business."""
