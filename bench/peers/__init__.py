"""The same procedure as somebody would write it with the libraries alone, and what the servers do alone. None of it is
used by the product."""
