"""Stage `approval`: is the request complete? Decided at once and without a person (L13)."""
