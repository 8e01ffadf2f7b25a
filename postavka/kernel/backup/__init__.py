"""Copies of everything, taken while it works, and putting it back: PostgreSQL, the topics, documents, evidence."""
