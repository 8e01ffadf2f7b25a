"""Personal data on a log that is never rewritten: each person's is encrypted with that person's key, and forgetting the
person is destroying the key."""
