"""What a person types for a request: its number, its id, or the beginning of one."""
