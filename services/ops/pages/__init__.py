"""Pages of operations, an area a module."""
