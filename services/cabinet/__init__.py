"""The partner's cabinet: what the log says about every request, as rows that pages and people can query (L4, L18)."""
