"""The event store: `eventsourcing`'s model on PostgreSQL with a recorder of ours (see `recorder.py` for why)."""
