"""The REST API, for programs and for our own pages."""
