"""What runs a stage: its definition, the batch runner, the Faust worker around it, watchdog, health and metrics."""
